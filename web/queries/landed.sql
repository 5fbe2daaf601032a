select coalesce(sum(playlists_landed - playlists_superseding), 0)::bigint as playlists
from ops.loads
