-- Each position has its playlist, track, album and artist in the other marts, in one pass since the table is large.
-- Looked at are the playlists that the table took in last; assert_marts_count_the_same_positions compares all.
with new_playlists as (

    {{ newly_built_playlists(ref('playlist_tracks')) }}

)

select
    playlist_tracks.pid,
    playlist_tracks.pos
from new_playlists
inner join {{ ref('playlist_tracks') }} as playlist_tracks on new_playlists.pid = playlist_tracks.pid
left join {{ ref('playlists') }} as playlists on playlist_tracks.pid = playlists.pid
left join {{ ref('tracks') }} as tracks on playlist_tracks.track_id = tracks.track_id
left join {{ ref('albums') }} as albums on playlist_tracks.album_id = albums.album_id
left join {{ ref('artists') }} as artists on playlist_tracks.artist_id = artists.artist_id
where playlists.pid is null or tracks.track_id is null or albums.album_id is null or artists.artist_id is null
