with slices as (

    select * from {{ ref('stg_mpd__slices') }}

),

-- A file may be loaded again after a repair: only what became of it last counts. An archive or folder that was refused
-- as a whole is made up for by whatever comes from within it.
refused as (

    select count(*) as slices_refused
    from slices as attempts
    where
        attempts.outcome = 'refused'
        -- A path at which nothing is keeps nothing back.
        and attempts.reason not in ('absent', 'no_slices')
        and not exists (
            select 1 as found
            from slices as later
            where
                later.slice_id > attempts.slice_id
                and (
                    (
                        later.source_file = attempts.source_file
                        and coalesce(attempts.archive_member, later.archive_member, '')
                        = coalesce(later.archive_member, '')
                    )
                    or starts_with(later.source_file, attempts.source_file || '/')
                )
        )

),

slice_counts as (

    select
        count(*) filter (where outcome = 'landed') as slices_landed,
        max(finished_at) as last_loaded_at
    from slices

),

reject_counts as (

    select count(*) as playlists_rejected
    from {{ ref('stg_mpd__rejects') }}
    where is_open

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
    refused.slices_refused,
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
cross join refused
cross join reject_counts
cross join synthetic_counts
cross join playlists
cross join artists
cross join tracks
cross join albums
