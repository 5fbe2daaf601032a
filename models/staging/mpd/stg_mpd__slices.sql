select
    slice_id,
    source as source_file,
    member as archive_member,
    sha256,
    bytes,
    info ->> 'slice' as slice_range,
    info ->> 'version' as mpd_version,
    info ->> 'generated_on' as generated_on,
    outcome,
    reason,
    detail,
    playlists_landed,
    playlists_unchanged,
    playlists_superseding,
    playlists_rejected,
    started_at,
    finished_at
from {{ source('mpd', 'slices') }}
