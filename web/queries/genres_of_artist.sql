select
    genre,
    genre_rank,
    is_primary,
    playlists,
    named_playlists,
    share_pct,
    expected_share_pct,
    lift
from insights.artist_genres
where artist_id = :artist_id
order by genre_rank
