with profiles as (

    select * from {{ ref('int_artist_clusters_profiled') }}

),

members as (

    select
        clusters.cluster_id,
        sum(artists.track_appearances) as track_appearances,
        percentile_cont(0.5) within group (order by artists.playlist_appearances) as median_playlist_appearances,
        percentile_cont(0.5) within group (order by artists.avg_followers) as median_followers
    from {{ ref('int_artist_clusters_serving') }} as clusters
    inner join {{ ref('int_artists_measured') }} as artists on clusters.artist_uri = artists.artist_uri
    group by clusters.cluster_id

)

select
    profiles.cluster_id,
    profiles.cluster_name,
    profiles.cluster_description,
    profiles.num_artists,
    100.0::double precision * profiles.num_artists / sum(profiles.num_artists) over () as share_of_artists_pct,
    (100.0 * members.track_appearances / sum(members.track_appearances) over ())::double precision
        as share_of_tracks_pct,
    profiles.avg_playlist_appearances,
    members.median_playlist_appearances,
    profiles.avg_followers,
    members.median_followers,
    profiles.avg_track_count
from profiles
inner join members on profiles.cluster_id = members.cluster_id
