{{ config(
    meta={'primary_key': ['pid', 'recommendation']},
) }}

with underperforming as (

    select * from {{ ref('playlist_performance') }}
    where is_underperforming

),

thresholds as (

    select
        max(threshold_value) filter (where threshold = 'diversity_shortfall') as diversity_shortfall,
        max(threshold_value) filter (where threshold = 'duration_deviation') as duration_deviation
    from {{ ref('recommendation_thresholds') }}

),

diverse_artists as (

    select
        underperforming.pid,
        'add_diverse_artists' as recommendation,
        'artists' as unit,
        underperforming.num_artists::double precision as current_value,
        ceil(underperforming.comparable_artists_per_track * underperforming.num_tracks) as suggested_value,
        'playlists of ' || underperforming.length_band || ' tracks usually have '
        || round((100 * underperforming.comparable_artists_per_track)::numeric)
        || ' artists per 100 tracks, this one has '
        || round((100 * underperforming.artists_per_track)::numeric) as reason
    from underperforming
    cross join thresholds
    where
        underperforming.artists_per_track
        < underperforming.comparable_artists_per_track * (1 - thresholds.diversity_shortfall)

),

duration as (

    select
        underperforming.pid,
        'adjust_duration' as recommendation,
        'minutes' as unit,
        underperforming.duration_ms / 60000.0::double precision as current_value,
        underperforming.comparable_duration_ms / 60000.0::double precision as suggested_value,
        'with tracks as long as playlists of ' || underperforming.length_band || ' tracks usually have, it would last '
        || round((underperforming.comparable_duration_ms / 60000)::numeric)
        || ' minutes; it lasts '
        || round((underperforming.duration_ms / 60000.0)::numeric) as reason
    from underperforming
    cross join thresholds
    where
        abs(underperforming.duration_ms - underperforming.comparable_duration_ms)
        > thresholds.duration_deviation * underperforming.comparable_duration_ms

),

collaborative as (

    select
        pid,
        'review_collaborative' as recommendation,
        'followers' as unit,
        num_followers::double precision as current_value,
        predicted_followers as suggested_value,
        'a collaborative playlist with ' || num_followers
        || case when num_followers = 1 then ' follower where ' else ' followers where ' end
        || round(predicted_followers::numeric, 1) || ' were predicted' as reason
    from underperforming
    where collaborative

),

recommendations as (

    select * from diverse_artists
    union all
    select * from duration
    union all
    select * from collaborative

)

select
    recommendations.pid,
    recommendations.recommendation,
    underperforming.name,
    recommendations.current_value,
    recommendations.suggested_value,
    recommendations.unit,
    recommendations.reason,
    underperforming.num_followers,
    underperforming.predicted_followers,
    underperforming.log_gap as priority_score,
    underperforming.comparable_playlists,
    underperforming.last_processed
from recommendations
inner join underperforming on recommendations.pid = underperforming.pid
