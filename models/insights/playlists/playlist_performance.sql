{#-
    Those that underperform lie together, the furthest behind first: any filter and order of them reads a tenth of the
    table at most. The last index is for the most followed of those that a playlist is compared with.
-#}
{{ config(
    meta={'primary_key': ['pid']},
    indexes=[
        {'columns': ['log_gap']},
        {'columns': ['is_underperforming', 'log_gap']},
        {'columns': ['comparable_group', 'num_followers']},
    ],
) }}

with playlists as (

    select * from {{ ref('playlists') }}
    where predicted_followers is not null

),

compared as (

    select * from {{ ref('int_playlists_compared') }}
    where is_closest

),

profiles as (

    select * from {{ ref('int_playlist_groups_profiled') }}

),

thresholds as (

    select
        max(threshold_value) filter (where threshold = 'underperforming_share') as underperforming_share,
        max(threshold_value) filter (where threshold = 'underperforming_min_gap') as underperforming_min_gap
    from {{ ref('recommendation_thresholds') }}

),

-- Followers span four orders of magnitude: being behind is a ratio, so it is measured between logarithms.
measured as (

    select
        *,
        predicted_followers - num_followers as follower_gap,
        -- Cast first: one more than the largest integer is none.
        ln(1 + predicted_followers) - ln(1 + num_followers::double precision) as log_gap
    from playlists

),

ranked as (

    select
        *,
        percent_rank() over (order by log_gap desc) as share_further_behind
    from measured

)

select
    ranked.pid,
    ranked.name,
    ranked.normalised_title,
    ranked.collaborative,
    ranked.num_followers,
    ranked.predicted_followers,
    ranked.follower_gap,
    ranked.log_gap,
    ranked.share_further_behind,
    ranked.share_further_behind < thresholds.underperforming_share
    and ranked.follower_gap >= thresholds.underperforming_min_gap as is_underperforming,
    ranked.length_band,
    ranked.genre,
    ranked.num_tracks,
    ranked.duplicate_tracks,
    ranked.num_artists,
    ranked.num_artists::double precision / ranked.num_tracks as artists_per_track,
    ranked.duration_ms,
    ranked.has_description,
    compared.has_few_artists,
    compared.track_length,
    compared.comparable_group,
    profiles.playlists as comparable_playlists,
    profiles.median_artists_per_track as comparable_artists_per_track,
    profiles.median_avg_track_duration_ms * ranked.num_tracks as comparable_duration_ms,
    ranked.last_processed
from ranked
inner join compared on ranked.pid = compared.pid
inner join profiles on compared.comparable_group = profiles.comparable_group
cross join thresholds
order by ranked.log_gap desc
