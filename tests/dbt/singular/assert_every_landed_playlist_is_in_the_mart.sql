-- What landed and what the mart shows are the same playlists.
select
    coalesce(landed.pid, playlists.pid) as pid,
    landed.pid is null as is_only_in_mart
from {{ ref('int_playlist_versions_current') }} as landed
full outer join {{ ref('playlists') }} as playlists on landed.pid = playlists.pid
where landed.pid is null or playlists.pid is null
