{{ config(materialized='view') }}

-- On tables that are not swapped when slices are added: the view goes only while everything is built as a whole.

select
    tracks.track_id,
    tracks.track_uri,
    placements.pid,
    placements.pos,
    tracks.track_name,
    playlists.playlist_name,
    playlists.genre,
    playlists.num_tracks,
    placements.pos::double precision / greatest(playlists.num_tracks - 1, 1) as relative_position,
    playlists.num_followers,
    playlists.modified_at
from {{ ref('tracks') }} as tracks
inner join {{ ref('playlist_tracks') }} as placements on tracks.track_id = placements.track_id
inner join {{ ref('int_playlists_measured') }} as playlists on placements.pid = playlists.pid
