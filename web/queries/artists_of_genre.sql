-- Artists whose genre it is: those of other genres may be in more of its playlists, since they are everywhere.
select
    artist_uri,
    artist_name,
    playlists,
    named_playlists,
    share_pct,
    expected_share_pct,
    lift
from insights.artist_genres
where genre = :genre and is_primary
order by playlists desc, artist_uri asc
limit :limit
