with members as (

    select
        clusters.cluster_id,
        artists.playlist_appearances,
        -- Of floating-point numbers the sum depends on the order in which they are read, and a name may hang on it.
        artists.avg_followers::numeric as avg_followers,
        artists.track_count,
        ln(artists.playlist_appearances::double precision)::numeric as log_appearances,
        ln(artists.avg_followers)::numeric as log_followers,
        ln(artists.track_count::double precision)::numeric as log_tracks
    from {{ ref('stg_ml__serving_clusters') }} as clusters
    inner join {{ ref('int_artists_measured') }} as artists on clusters.artist_uri = artists.artist_uri

),

labels as (

    select * from {{ ref('cluster_labels') }}

),

thresholds as (

    select
        max(threshold_value) filter (where threshold = 'cluster_standout_ratio') as standout_ratio,
        max(threshold_value) filter (where threshold = 'cluster_far_ratio') as far_ratio
    from {{ ref('recommendation_thresholds') }}

),

everyone as (

    select
        avg(log_appearances) as log_appearances,
        avg(log_followers) as log_followers,
        avg(log_tracks) as log_tracks
    from members

),

profiles as (

    select
        cluster_id,
        count(*) as num_artists,
        avg(playlist_appearances)::double precision as avg_playlist_appearances,
        avg(avg_followers)::double precision as avg_followers,
        avg(track_count)::double precision as avg_track_count,
        avg(log_appearances) as log_appearances,
        avg(log_followers) as log_followers,
        avg(log_tracks) as log_tracks
    from members
    group by cluster_id

),

-- How many times as much of each measure a typical artist of the cluster has as a typical artist of all. Typical is the
-- geometric mean: the mean of counts is that of a few stars, and nearly every cluster is below it. Rounded, so that a
-- name hangs on no last digit.
compared as (

    select
        profiles.*,
        round(exp(profiles.log_appearances - everyone.log_appearances), 9)::double precision as appearances_ratio,
        round(exp(profiles.log_followers - everyone.log_followers), 9)::double precision as followers_ratio,
        round(exp(profiles.log_tracks - everyone.log_tracks), 9)::double precision as tracks_ratio
    from profiles
    cross join everyone

),

-- What a cluster stands out by is its name. The number that it has means nothing.
ruled as (

    select
        compared.*,
        case
            when
                compared.appearances_ratio >= thresholds.far_ratio
                and compared.appearances_ratio >= greatest(compared.followers_ratio, compared.tracks_ratio)
                then 'most_appearances'
            when
                compared.tracks_ratio >= thresholds.far_ratio
                and compared.tracks_ratio >= compared.followers_ratio
                then 'most_tracks'
            when
                compared.followers_ratio >= thresholds.standout_ratio
                and compared.followers_ratio >= compared.appearances_ratio
                then 'most_followers'
            when compared.appearances_ratio >= 1 then 'some_appearances'
            when compared.tracks_ratio >= 1 then 'more_tracks'
            else 'few_appearances'
        end as cluster_rule
    from compared
    cross join thresholds

),

-- Two clusters may be of one kind: the larger has the plain name.
numbered as (

    select
        *,
        row_number() over (
            partition by cluster_rule
            order by num_artists desc, cluster_id asc
        ) as number_of_kind
    from ruled

),

final as (

    select
        numbered.cluster_id,
        numbered.cluster_rule,
        labels.cluster_name
        || case when numbered.number_of_kind > 1 then ' ' || numbered.number_of_kind else '' end as cluster_name,
        labels.cluster_description,
        labels.recommendation,
        numbered.num_artists,
        numbered.avg_playlist_appearances,
        numbered.avg_followers,
        numbered.avg_track_count,
        numbered.appearances_ratio,
        numbered.followers_ratio,
        numbered.tracks_ratio
    from numbered
    inner join labels on numbered.cluster_rule = labels.cluster_rule

)

select * from final
