select
    version,
    name,
    is_current,
    num_followers,
    followers_change,
    followers_change_pct,
    num_tracks,
    tracks_added,
    tracks_removed,
    modified_at,
    landed_at
from insights.playlist_growth
where pid = :pid
order by version
