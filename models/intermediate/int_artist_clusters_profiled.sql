with clusters as (

    select * from {{ ref('int_artist_clusters_serving') }}

),

artists as (

    select * from {{ ref('int_artists_measured') }}

),

labels as (

    select * from {{ ref('cluster_labels') }}

),

profiles as (

    select
        clusters.cluster_id,
        count(*) as num_artists,
        avg(artists.playlist_appearances)::double precision as avg_playlist_appearances,
        avg(artists.avg_followers) as avg_followers,
        avg(artists.track_count)::double precision as avg_track_count
    from clusters
    inner join artists on clusters.artist_uri = artists.artist_uri
    group by clusters.cluster_id

),

-- Each rule takes one cluster from those that the rules before it left. The number that k-means gives a cluster
-- means nothing and changes with the next run, so it only breaks ties.
largest as (

    select profiles.cluster_id
    from profiles
    order by profiles.num_artists desc, profiles.cluster_id asc
    limit 1

),

most_followers as (

    select profiles.cluster_id
    from profiles
    where profiles.cluster_id not in (select largest.cluster_id from largest)
    order by profiles.avg_followers desc, profiles.cluster_id asc
    limit 1

),

most_appearances as (

    select profiles.cluster_id
    from profiles
    where
        profiles.cluster_id not in (
            select largest.cluster_id from largest
            union all
            select most_followers.cluster_id from most_followers
        )
    order by profiles.avg_playlist_appearances desc, profiles.cluster_id asc
    limit 1

),

most_tracks as (

    select profiles.cluster_id
    from profiles
    where
        profiles.cluster_id not in (
            select largest.cluster_id from largest
            union all
            select most_followers.cluster_id from most_followers
            union all
            select most_appearances.cluster_id from most_appearances
        )
    order by profiles.avg_track_count desc, profiles.cluster_id asc
    limit 1

),

ruled as (

    select
        profiles.*,
        case
            when largest.cluster_id is not null then 'largest'
            when most_followers.cluster_id is not null then 'most_followers'
            when most_appearances.cluster_id is not null then 'most_appearances'
            when most_tracks.cluster_id is not null then 'most_tracks'
            else 'remainder'
        end as cluster_rule
    from profiles
    left join largest on profiles.cluster_id = largest.cluster_id
    left join most_followers on profiles.cluster_id = most_followers.cluster_id
    left join most_appearances on profiles.cluster_id = most_appearances.cluster_id
    left join most_tracks on profiles.cluster_id = most_tracks.cluster_id

),

final as (

    select
        ruled.cluster_id,
        ruled.cluster_rule,
        labels.cluster_name,
        labels.cluster_description,
        labels.recommendation,
        ruled.num_artists,
        ruled.avg_playlist_appearances,
        ruled.avg_followers,
        ruled.avg_track_count
    from ruled
    inner join labels on ruled.cluster_rule = labels.cluster_rule

)

select * from final
