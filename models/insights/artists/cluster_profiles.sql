with profiles as (

    select * from {{ ref('int_artist_clusters_profiled') }}

),

artists as (

    select * from {{ ref('artist_performance') }}
    where cluster_id is not null

),

members as (

    select
        cluster_id,
        sum(track_appearances) as track_appearances,
        percentile_cont(0.5) within group (order by playlist_appearances) as median_playlist_appearances,
        percentile_cont(0.5) within group (order by avg_followers) as median_followers,
        percentile_cont(0.5) within group (order by track_count) as median_track_count,
        percentile_cont(0.5) within group (order by artist_score) as median_artist_score,
        -- Exact sums, so that the last digit does not depend on the order in which artists are read.
        avg((avg_followers / playlist_appearances)::numeric)::double precision as avg_followers_per_playlist,
        avg(track_count::numeric / playlist_appearances)::double precision as avg_tracks_per_playlist
    from artists
    group by cluster_id

),

placed as (

    select
        cluster_id,
        artist_name,
        row_number() over (
            partition by cluster_id
            order by artist_rank asc, artist_uri collate "C" asc
        ) as place
    from artists

),

best as (

    select
        cluster_id,
        string_agg(artist_name, ', ' order by place) as best_artists
    from placed
    where place <= 3
    group by cluster_id

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
    profiles.avg_track_count,
    members.median_track_count,
    members.avg_followers_per_playlist,
    members.avg_tracks_per_playlist,
    members.median_artist_score,
    profiles.appearances_ratio,
    profiles.followers_ratio,
    profiles.tracks_ratio,
    'compared with the typical artist, one of its artists typically has '
    || round(profiles.appearances_ratio::numeric, 2) || ' times the playlists, '
    || round(profiles.followers_ratio::numeric, 2) || ' times the followers a playlist and '
    || round(profiles.tracks_ratio::numeric, 2) || ' times the tracks' as comparison,
    best.best_artists
from profiles
inner join members on profiles.cluster_id = members.cluster_id
inner join best on profiles.cluster_id = best.cluster_id
