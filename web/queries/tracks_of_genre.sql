select
    track_name,
    artist_name,
    playlists,
    named_playlists,
    share_pct,
    lift
from insights.track_genres
where genre = :genre and is_primary
order by playlists desc, track_id asc
limit :limit
