{{ config(materialized='view') }}

select
    tracks.track_id,
    tracks.track_uri,
    placements.pid,
    placements.pos,
    tracks.track_name,
    playlists.name as playlist_name,
    playlists.genre,
    playlists.num_tracks,
    playlists.length_band,
    placements.pos::double precision / greatest(playlists.num_tracks - 1, 1) as relative_position,
    playlists.num_followers,
    playlists.follower_band,
    playlists.modified_at
from {{ ref('tracks') }} as tracks
inner join {{ ref('playlist_tracks') }} as placements on tracks.track_id = placements.track_id
inner join {{ ref('playlists') }} as playlists on placements.pid = playlists.pid
