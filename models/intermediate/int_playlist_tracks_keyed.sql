{{ config(materialized='view') }}

select
    pid,
    pos,
    {{ entity_id('track_uri') }} as track_id,
    {{ entity_id('album_uri') }} as album_id,
    {{ entity_id('artist_uri') }} as artist_id,
    duration_ms
from {{ ref('stg_mpd__playlist_tracks') }}
