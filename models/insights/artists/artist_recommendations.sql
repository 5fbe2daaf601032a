{{ config(
    meta={'primary_key': ['artist_uri', 'recommendation']},
) }}

with artists as (

    select * from {{ ref('artist_performance') }}

),

clusters as (

    select * from {{ ref('int_artist_clusters_profiled') }}

),

thresholds as (

    select
        max(threshold_value) filter (
            where threshold = 'emerging_min_followers_percentile'
        ) as emerging_min_followers,
        max(threshold_value) filter (
            where threshold = 'emerging_max_appearances_percentile'
        ) as emerging_max_appearances,
        max(threshold_value) filter (
            where threshold = 'emerging_min_median_followers'
        ) as emerging_min_median,
        max(threshold_value) filter (
            where threshold = 'promote_min_followers_percentile'
        ) as promote_min_followers,
        max(threshold_value) filter (where threshold = 'min_playlist_appearances') as min_appearances
    from {{ ref('recommendation_thresholds') }}

),

supported as (

    select artists.*
    from artists
    cross join thresholds
    where artists.playlist_appearances >= thresholds.min_appearances

),

emerging as (

    select
        supported.artist_uri,
        'emerging' as recommendation
    from supported
    cross join thresholds
    where
        supported.followers_percentile >= thresholds.emerging_min_followers
        and supported.appearances_percentile <= thresholds.emerging_max_appearances
        and supported.median_followers >= thresholds.emerging_min_median

),

-- What the cluster of an artist suggests. To be promoted, an artist must also appear more often than an emerging one,
-- in playlists with more followers than most.
by_cluster as (

    select
        supported.artist_uri,
        clusters.recommendation
    from supported
    inner join clusters on supported.cluster_id = clusters.cluster_id
    cross join thresholds
    where
        clusters.recommendation is not null
        and (
            clusters.recommendation != 'promote'
            or (
                supported.followers_percentile >= thresholds.promote_min_followers
                and supported.appearances_percentile > thresholds.emerging_max_appearances
            )
        )

),

recommendations as (

    select * from emerging
    union all
    select * from by_cluster

)

select
    recommendations.artist_uri,
    recommendations.recommendation,
    supported.artist_name,
    supported.cluster_name,
    supported.playlist_appearances,
    supported.track_count,
    supported.avg_followers,
    supported.median_followers,
    supported.followers_percentile,
    supported.appearances_percentile,
    case
        when recommendations.recommendation = 'collaborate' then supported.playlist_appearances
        else supported.median_followers
    end as score,
    'in ' || supported.playlist_appearances || ' playlists with '
    || round(supported.avg_followers::numeric, 1) || ' followers on average (median '
    || supported.median_followers || '), more than '
    || case
        when supported.followers_percentile = 1 then 'any other artist'
        else floor((100 * supported.followers_percentile)::numeric) || ' % of the artists'
    end as reason,
    supported.last_processed
from recommendations
inner join supported on recommendations.artist_uri = supported.artist_uri
