-- Positions of a playlist run from 0 without a gap, and are as many as the playlist counts: else tracks were lost on
-- the way, or came in twice. Looked at are the playlists that the table took in last.
with new_playlists as (

    {{ newly_built_playlists(ref('playlist_tracks')) }}

)

select
    playlists.pid,
    playlists.num_tracks,
    count(playlist_tracks.pos) as positions,
    min(playlist_tracks.pos) as first_pos,
    max(playlist_tracks.pos) as last_pos
from new_playlists
inner join {{ ref('playlists') }} as playlists on new_playlists.pid = playlists.pid
left join {{ ref('playlist_tracks') }} as playlist_tracks on playlists.pid = playlist_tracks.pid
group by playlists.pid, playlists.num_tracks
having
    min(playlist_tracks.pos) is distinct from 0
    or max(playlist_tracks.pos) != count(playlist_tracks.pos) - 1
    or count(playlist_tracks.pos) != playlists.num_tracks
