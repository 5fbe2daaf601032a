select
    playlists.*,
    performance.is_underperforming,
    performance.follower_gap,
    performance.share_further_behind,
    performance.artists_per_track,
    performance.comparable_group,
    performance.comparable_playlists,
    performance.comparable_artists_per_track,
    performance.comparable_duration_ms,
    floor(extract(epoch from playlists.modified_at) / 86400)::integer as modified_day,
    regexp_count(playlists.normalised_title, '[^ ]+') as title_words,
    length(playlists.normalised_title) as title_length
from marts.playlists
left join insights.playlist_performance as performance on playlists.pid = performance.pid
where playlists.pid = :pid
