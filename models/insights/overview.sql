with slices as (

    select * from {{ ref('stg_mpd__slices') }}

),

-- A file may be loaded again after a repair: only what became of it last counts.
last_attempts as (

    select max(slice_id) as slice_id
    from slices
    group by source_file, archive_member

),

slice_counts as (

    select
        count(*) filter (where slices.outcome = 'landed') as slices_landed,
        count(*) filter (where slices.outcome = 'refused' and last_attempts.slice_id is not null) as slices_refused,
        max(slices.finished_at) as last_loaded_at
    from slices
    left join last_attempts on slices.slice_id = last_attempts.slice_id

),

-- Nor is a playlist missing that was rejected once and has landed since. One that landed before, or from elsewhere in
-- the same slice, is not what was rejected.
reject_counts as (

    select count(*) as playlists_rejected
    from {{ ref('stg_mpd__rejects') }} as rejects
    inner join last_attempts on rejects.slice_id = last_attempts.slice_id
    left join {{ ref('int_playlists_measured') }} as playlists
        on
            rejects.pid = playlists.pid
            and rejects.slice_id < playlists.slice_id
    where playlists.pid is null

),

synthetic_counts as (

    select count(*) as synthetic_playlists
    from {{ ref('int_playlists_measured') }} as playlists
    inner join slices on playlists.slice_id = slices.slice_id
    where slices.mpd_version like 'synthetic%'

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
    slice_counts.slices_landed,
    slice_counts.slices_refused,
    playlists.playlists,
    reject_counts.playlists_rejected,
    synthetic_counts.synthetic_playlists,
    playlists.playlists_predicted,
    playlists.collaborative_playlists,
    playlists.track_rows,
    tracks.tracks,
    albums.albums,
    artists.artists,
    artists.artists_clustered,
    playlists.avg_followers,
    playlists.median_followers,
    slice_counts.last_loaded_at
from slice_counts
cross join reject_counts
cross join synthetic_counts
cross join playlists
cross join artists
cross join tracks
cross join albums
