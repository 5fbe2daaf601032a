select
    slice_id,
    ordinal,
    source as source_file,
    member as archive_member,
    pid,
    reason,
    detail,
    rejected_at
from {{ source('mpd', 'rejects') }}
