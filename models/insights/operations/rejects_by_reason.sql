with slices as (

    select * from {{ ref('stg_mpd__slices') }}

),

-- A file may be loaded again after a repair: only what became of it last counts. An archive or folder that was refused
-- as a whole is made up for by whatever comes from within it.
refused_files as (

    select
        attempts.reason,
        attempts.finished_at as refused_at,
        -- A path at which nothing is keeps nothing back.
        attempts.reason not in ('absent', 'no_slices')
        and not exists (
            select 1 as found
            from slices as later
            where
                later.slice_id > attempts.slice_id
                and (
                    (
                        later.source_file = attempts.source_file
                        and coalesce(attempts.archive_member, later.archive_member, '')
                        = coalesce(later.archive_member, '')
                    )
                    or starts_with(later.source_file, attempts.source_file || '/')
                )
        ) as is_open
    from slices as attempts
    where attempts.outcome = 'refused'

),

refused as (

    select
        'file' as entity,
        reason,
        refused_at,
        is_open
    from refused_files
    union all
    select
        'playlist' as entity,
        reason,
        rejected_at as refused_at,
        is_open
    from {{ ref('stg_mpd__rejects') }}

)

select
    entity,
    reason,
    count(*) as refused,
    count(*) filter (where is_open) as still_open,
    min(refused_at) as first_refused_at,
    max(refused_at) as last_refused_at
from refused
group by entity, reason
