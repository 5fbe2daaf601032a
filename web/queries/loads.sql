select
    load_id,
    command,
    paths,
    started_at,
    finished_at,
    outcome,
    error,
    slices_landed,
    slices_skipped,
    slices_refused,
    playlists_landed,
    playlists_unchanged,
    playlists_superseding,
    playlists_rejected
from ops.loads
order by load_id desc
limit :limit
