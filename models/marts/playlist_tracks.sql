{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'primary_key': ['pid', 'pos']},
    indexes=[{'columns': ['track_id']}, {'columns': ['artist_id']}],
    pre_hook=["{{ forget_changed('pid') }}"],
    post_hook=["{{ remember_slices() }}"],
) }}

with playlists as (

    {{ new_playlists() }}

)

select
    playlists.pid,
    tracks.pos,
    tracks.track_id,
    tracks.album_id,
    tracks.artist_id
from playlists
cross join {{ tracks_of('playlists') }} as tracks
