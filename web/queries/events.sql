-- What happened last, of every kind, the latest first.
with loads as (

    select
        'load' as kind,
        command as subject,
        started_at,
        finished_at,
        outcome,
        playlists_landed::bigint as rows_done,
        playlists_rejected::bigint as rows_kept_aside,
        slices_refused,
        error as detail
    from ops.loads
    order by load_id desc
    limit 10

),

builds as (

    select
        'build' as kind,
        case when is_full_refresh then 'full' else 'incremental' end as subject,
        started_at,
        finished_at,
        outcome,
        null::bigint as rows_done,
        null::bigint as rows_kept_aside,
        null::integer as slices_refused,
        detail
    from ops.builds
    order by build_id desc
    limit 10

),

model_runs as (

    select
        case when scored_with is null then 'training' else 'scoring' end as kind,
        model as subject,
        started_at,
        finished_at,
        status as outcome,
        rows_read as rows_done,
        null::bigint as rows_kept_aside,
        null::integer as slices_refused,
        error as detail
    from ml.model_runs
    order by run_id desc
    limit 10

),

runs as (

    select
        'run' as kind,
        kind as subject,
        coalesce(started_at, requested_at) as started_at,
        finished_at,
        status as outcome,
        null::bigint as rows_done,
        null::bigint as rows_kept_aside,
        null::integer as slices_refused,
        coalesce(error, result) as detail
    from ops.runs
    order by run_id desc
    limit 10

),

events as (

    select * from loads
    union all
    select * from builds
    union all
    select * from model_runs
    union all
    select * from runs

)

select * from events
order by coalesce(finished_at, started_at) desc
limit 10
