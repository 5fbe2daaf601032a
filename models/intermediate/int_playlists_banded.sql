{{ config(materialized='view') }}

with playlists as (

    select * from {{ ref('int_playlists_measured') }}

),

bands as (

    select * from {{ ref('length_bands') }}

)

select
    playlists.pid,
    bands.length_band,
    playlists.num_tracks,
    playlists.num_artists,
    playlists.duration_ms,
    playlists.num_artists::double precision / playlists.num_tracks as artists_per_track,
    playlists.duration_ms::double precision / playlists.num_tracks as avg_track_duration_ms
from playlists
inner join bands
    on playlists.num_tracks between bands.min_tracks and bands.max_tracks
