-- The last rank of a recommendation is how many artists it has.
select
    kinds.recommendation,
    coalesce(
        (
            select max(recommended.recommendation_rank)
            from insights.artist_recommendations as recommended
            where recommended.recommendation = kinds.recommendation
        ),
        0
    ) as artists
from (values ('emerging'), ('promote'), ('include_in_playlists'), ('collaborate')) as kinds (recommendation)
