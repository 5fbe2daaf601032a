-- Positions of a playlist run from 0 without a gap: a gap would mean that tracks were lost on the way. Looked at are
-- the playlists that the table took in last.
select
    pid,
    count(*) as num_tracks,
    min(pos) as first_pos,
    max(pos) as last_pos
from {{ ref('playlist_tracks') }}
where pid in ({{ newly_built_playlists(ref('playlist_tracks')) }})
group by pid
having min(pos) != 0 or max(pos) != count(*) - 1
