with slices as (

    select
        count(*) filter (where outcome = 'landed') as slices_landed,
        count(*) filter (where outcome = 'refused') as slices_refused,
        coalesce(sum(playlists_rejected), 0) as playlists_rejected,
        max(finished_at) as last_loaded_at,
        coalesce(bool_or(mpd_version like 'synthetic%'), false) as has_synthetic_data
    from {{ ref('stg_mpd__slices') }}

),

playlists as (

    select
        count(*) as playlists,
        count(predicted_followers) as playlists_predicted,
        count(*) filter (where collaborative) as collaborative_playlists,
        coalesce(sum(num_tracks), 0) as track_rows,
        avg(num_followers)::double precision as avg_followers,
        percentile_cont(0.5) within group (order by num_followers) as median_followers
    from {{ ref('playlists') }}

),

artists as (

    select
        count(*) as artists,
        count(cluster_id) as artists_clustered
    from {{ ref('artists') }}

),

tracks as (

    select count(*) as tracks from {{ ref('tracks') }}

),

albums as (

    select count(*) as albums from {{ ref('albums') }}

)

select
    slices.slices_landed,
    slices.slices_refused,
    playlists.playlists,
    slices.playlists_rejected,
    playlists.playlists_predicted,
    playlists.collaborative_playlists,
    playlists.track_rows,
    tracks.tracks,
    albums.albums,
    artists.artists,
    artists.artists_clustered,
    playlists.avg_followers,
    playlists.median_followers,
    slices.has_synthetic_data,
    slices.last_loaded_at
from slices
cross join playlists
cross join artists
cross join tracks
cross join albums
