with slices as (

    select * from {{ ref('stg_mpd__slices') }}

),

refused as (

    select
        coalesce(sum(still_open) filter (where entity = 'file'), 0)::bigint as slices_refused,
        coalesce(sum(still_open) filter (where entity = 'playlist'), 0)::bigint as playlists_rejected
    from {{ ref('rejects_by_reason') }}

),

slice_counts as (

    select
        count(*) filter (where outcome = 'landed') as slices_landed,
        max(finished_at) as last_loaded_at
    from slices

),

built as (

    select
        count(*) filter (where slices.mpd_version like 'synthetic%') as synthetic_playlists,
        max(playlists.landed_at) as built_until
    from {{ ref('int_playlists_measured') }} as playlists
    inner join slices on playlists.slice_id = slices.slice_id

),

playlists as (

    select
        count(*) as playlists,
        count(predicted_followers) as playlists_predicted,
        count(*) filter (where collaborative) as collaborative_playlists,
        coalesce(sum(num_tracks), 0) as track_rows,
        avg(num_followers)::double precision as avg_followers,
        percentile_cont(0.5) within group (order by num_followers) as median_followers,
        max(modified_at) as newest_modified_at
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

),

-- One number a model. Followers are measured on their logarithm, for on the raw scale a few giants decide.
quality as (

    select
        max(metric_value) filter (
            where model_name = 'playlist_popularity' and metric = 'rmse' and scale = 'log1p' and split = 'test'
        ) as popularity_error,
        max(least(baseline_one, baseline_median, baseline_mean)) filter (
            where model_name = 'playlist_popularity' and metric = 'rmse' and scale = 'log1p' and split = 'test'
        ) as popularity_error_of_a_constant,
        max(metric_value) filter (
            where model_name = 'artist_trends' and metric = 'silhouette'
        ) as clustering_silhouette
    from {{ ref('model_performance') }}
    where is_serving

),

rules as (

    select
        count(*) filter (where severity = 'error' and rows_broken > rows_kept_aside) as errors_in_data,
        count(*) filter (where severity = 'warn' and rows_broken > rows_kept_aside) as warnings_in_data
    from {{ ref('data_quality') }}

)

select
    slice_counts.slices_landed,
    refused.slices_refused,
    playlists.playlists,
    refused.playlists_rejected,
    built.synthetic_playlists,
    playlists.playlists_predicted,
    playlists.collaborative_playlists,
    playlists.track_rows,
    tracks.tracks,
    albums.albums,
    artists.artists,
    artists.artists_clustered,
    playlists.avg_followers,
    playlists.median_followers,
    quality.popularity_error,
    quality.popularity_error_of_a_constant,
    quality.clustering_silhouette,
    rules.errors_in_data,
    rules.warnings_in_data,
    playlists.newest_modified_at,
    built.built_until,
    slice_counts.last_loaded_at
from slice_counts
cross join refused
cross join built
cross join playlists
cross join artists
cross join tracks
cross join albums
cross join quality
cross join rules
