select
    length_band,
    count(*) as playlists,
    percentile_cont(0.5) within group (order by avg_track_duration_ms) as median_avg_track_duration_ms,
    percentile_cont(0.5) within group (order by artists_per_track) as median_artists_per_track
from {{ ref('int_playlists_banded') }}
group by length_band
