-- The most followed of the group that a playlist is compared with, itself left out.
select
    pid,
    name,
    num_followers,
    predicted_followers,
    num_tracks,
    num_artists,
    artists_per_track,
    duration_ms,
    has_description
from insights.playlist_performance
where comparable_group = :comparable_group and pid != :pid
order by num_followers desc
limit 20
