-- Changes with each build that ended and each run that succeeded.
select
    concat_ws(
        '.',
        (
            select max(builds.build_id)
            from ops.builds
            where builds.finished_at is not null
        ),
        (
            select max(model_runs.run_id)
            from ml.model_runs
            where model_runs.status = 'succeeded'
        ),
        (
            select max(model_runs.run_id)
            from ml.model_runs
            where model_runs.serving
        )
    ) as version
