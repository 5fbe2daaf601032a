with members as (

    select
        clusters.cluster_id,
        artists.playlist_appearances,
        -- Of floating-point numbers the sum depends on the order in which they are read, and a name may hang on it.
        artists.avg_followers::numeric as avg_followers,
        artists.track_count
    from {{ ref('int_artist_clusters_serving') }} as clusters
    inner join {{ ref('int_artists_measured') }} as artists on clusters.artist_uri = artists.artist_uri

),

labels as (

    select * from {{ ref('cluster_labels') }}

),

thresholds as (

    select max(threshold_value) filter (where threshold = 'cluster_standout_ratio') as standout_ratio
    from {{ ref('recommendation_thresholds') }}

),

everyone as (

    select
        avg(playlist_appearances)::double precision as avg_playlist_appearances,
        avg(avg_followers)::double precision as avg_followers,
        avg(track_count)::double precision as avg_track_count
    from members

),

profiles as (

    select
        cluster_id,
        count(*) as num_artists,
        avg(playlist_appearances)::double precision as avg_playlist_appearances,
        avg(avg_followers)::double precision as avg_followers,
        avg(track_count)::double precision as avg_track_count
    from members
    group by cluster_id

),

-- How many times the average of all artists a cluster has of each measure.
compared as (

    select
        profiles.*,
        profiles.avg_playlist_appearances / everyone.avg_playlist_appearances as appearances_ratio,
        profiles.avg_followers / everyone.avg_followers as followers_ratio,
        profiles.avg_track_count / everyone.avg_track_count as tracks_ratio
    from profiles
    cross join everyone

),

-- What a cluster stands out by most is its name. The number that k-means gave it means nothing.
ruled as (

    select
        compared.*,
        case
            when
                greatest(compared.appearances_ratio, compared.followers_ratio, compared.tracks_ratio)
                < thresholds.standout_ratio
                then case when compared.appearances_ratio < 1 then 'few_appearances' else 'some_appearances' end
            when compared.followers_ratio >= greatest(compared.appearances_ratio, compared.tracks_ratio)
                then 'most_followers'
            when compared.appearances_ratio >= compared.tracks_ratio then 'most_appearances'
            else 'most_tracks'
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
