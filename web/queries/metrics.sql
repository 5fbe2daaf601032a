-- Of a database with Mixhouse's tables, whatever is built.
select
    (
        select count(*)
        from ops.runs
        where status = 'queued'
    ) as runs_queued,
    (
        select count(*)
        from ops.runs
        where status = 'running'
    ) as runs_running,
    (
        select (status = 'failed')::integer
        from ops.runs
        where finished_at is not null
        order by finished_at desc
        limit 1
    ) as last_run_failed,
    (
        select (status = 'failed')::integer
        from ml.model_runs
        where finished_at is not null
        order by finished_at desc
        limit 1
    ) as last_training_failed,
    (
        select extract(epoch from max(finished_at))
        from ops.loads
        where outcome in ('succeeded', 'refused_some')
    ) as last_load,
    (
        select extract(epoch from max(finished_at))
        from ops.builds
        where outcome = 'succeeded'
    ) as last_build,
    (
        select extract(epoch from max(finished_at))
        from ml.model_runs
        where status = 'succeeded' and scored_with is null
    ) as last_training
