{{ config(
    meta={'primary_key': ['pid']},
) }}

with playlists as (

    select * from {{ ref('playlists') }}
    where predicted_followers is not null

),

banded as (

    select * from {{ ref('int_playlists_banded') }}

),

bands as (

    select * from {{ ref('int_length_bands_profiled') }}

),

thresholds as (

    select
        max(threshold_value) filter (where threshold = 'underperforming_share') as underperforming_share,
        max(threshold_value) filter (where threshold = 'underperforming_min_gap') as underperforming_min_gap
    from {{ ref('recommendation_thresholds') }}

),

-- Followers span four orders of magnitude: being behind is a ratio, so it is measured between logarithms.
compared as (

    select
        playlists.pid,
        playlists.name,
        playlists.collaborative,
        playlists.num_followers,
        playlists.predicted_followers,
        playlists.predicted_followers - playlists.num_followers as follower_gap,
        -- Cast first: one more than the largest integer is none.
        ln(1 + playlists.predicted_followers) - ln(1 + playlists.num_followers::double precision) as log_gap,
        playlists.last_processed
    from playlists

),

ranked as (

    select
        *,
        percent_rank() over (order by log_gap desc) as share_further_behind
    from compared

)

select
    ranked.pid,
    ranked.name,
    ranked.collaborative,
    ranked.num_followers,
    ranked.predicted_followers,
    ranked.follower_gap,
    ranked.log_gap,
    ranked.share_further_behind,
    ranked.share_further_behind < thresholds.underperforming_share
    and ranked.follower_gap >= thresholds.underperforming_min_gap as is_underperforming,
    banded.length_band,
    banded.num_tracks,
    banded.num_artists,
    banded.artists_per_track,
    banded.duration_ms,
    bands.playlists as comparable_playlists,
    bands.median_artists_per_track as comparable_artists_per_track,
    bands.median_avg_track_duration_ms * banded.num_tracks as comparable_duration_ms,
    ranked.last_processed
from ranked
inner join banded on ranked.pid = banded.pid
inner join bands on banded.length_band = bands.length_band
cross join thresholds
