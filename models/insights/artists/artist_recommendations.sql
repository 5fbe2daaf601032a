{{ config(
    meta={'primary_key': ['artist_uri', 'recommendation']},
    indexes=[{'columns': ['recommendation', 'recommendation_rank']}, {'columns': ['recommendation', 'score']}],
) }}

with artists as (

    select * from {{ ref('artist_performance') }}

),

clusters as (

    select * from {{ ref('int_artist_clusters_profiled') }}

),

stages as (

    select * from {{ ref('artist_stages') }}

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

everyone as (

    select count(*) as num_artists from artists

),

supported as (

    select
        artists.*,
        stages.recommendation as stage_recommendation
    from artists
    inner join stages on artists.stage = stages.stage
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

by_stage as (

    select
        artist_uri,
        stage_recommendation as recommendation
    from supported
    where stage_recommendation is not null

),

-- What the cluster of an artist suggests, unless its stage suggests something: nobody needs to promote a star. To be
-- promoted, an artist must also appear more often than an emerging one, in playlists with more followers than most.
by_cluster as (

    select
        supported.artist_uri,
        clusters.recommendation
    from supported
    inner join clusters on supported.cluster_id = clusters.cluster_id
    cross join thresholds
    where
        clusters.recommendation is not null
        and supported.stage_recommendation is null
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
    select * from by_stage
    union all
    select * from by_cluster

),

scored as (

    select
        supported.*,
        recommendations.recommendation,
        case
            when recommendations.recommendation = 'collaborate' then supported.artist_score
            else supported.median_followers
        end as score
    from recommendations
    inner join supported on recommendations.artist_uri = supported.artist_uri

),

ranked as (

    select
        *,
        row_number() over (
            partition by recommendation
            order by score desc, avg_followers desc, artist_uri collate "C" asc
        ) as recommendation_rank
    from scored

)

select
    ranked.artist_uri,
    ranked.recommendation,
    ranked.artist_name,
    ranked.recommendation_rank::integer as recommendation_rank,
    ranked.score,
    ranked.artist_score,
    ranked.artist_rank,
    ranked.stage,
    ranked.reach,
    ranked.cluster_name,
    ranked.playlist_appearances,
    ranked.track_count,
    ranked.avg_followers,
    ranked.median_followers,
    ranked.followers_percentile,
    ranked.appearances_percentile,
    case
        when ranked.recommendation = 'collaborate'
            then
                ranked.stage || ' stage, rank ' || ranked.artist_rank || ' of ' || everyone.num_artists
                || ' artists with a score of ' || round(ranked.artist_score::numeric, 1)
                || ': in ' || ranked.playlist_appearances || ' playlists that reach ' || ranked.reach || ' followers'
        else
            'in ' || ranked.playlist_appearances || ' playlists with '
            || round(ranked.avg_followers::numeric, 1) || ' followers on average (median '
            || ranked.median_followers || '), more than '
            || case
                when ranked.followers_percentile = 1 then 'any other artist'
                else floor((100 * ranked.followers_percentile)::numeric) || ' % of the artists'
            end
            || '; reach ' || ranked.reach || ', score ' || round(ranked.artist_score::numeric, 1)
            || ', ' || ranked.stage || ' stage'
    end as reason,
    ranked.last_processed
from ranked
cross join everyone
