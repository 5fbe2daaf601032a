select
    rejects.slice_id,
    rejects.ordinal,
    rejects.source as source_file,
    rejects.member as archive_member,
    rejects.pid,
    rejects.reason,
    rejects.detail,
    rejects.rejected_at,
    open_rejects.slice_id is not null as is_open
from {{ source('mpd', 'rejects') }} as rejects
left join {{ source('mpd', 'open_rejects') }} as open_rejects
    on
        rejects.slice_id = open_rejects.slice_id
        and rejects.ordinal = open_rejects.ordinal
