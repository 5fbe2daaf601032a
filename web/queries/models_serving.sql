-- The training that serves of each model, when its model scored last, and what went wrong since.
select
    trainings.model,
    trainings.run_id,
    trainings.champion,
    trainings.finished_at as trained_at,
    trainings.rows_read,
    (
        select max(scorings.finished_at)
        from ml.model_runs as scorings
        where scorings.scored_with = trainings.run_id and scorings.status = 'succeeded'
    ) as scored_at,
    latest.error
from ml.model_runs as trainings
left join lateral (
    select
        attempts.status,
        attempts.error
    from ml.model_runs as attempts
    where attempts.model = trainings.model and attempts.status != 'running'
    order by attempts.run_id desc
    limit 1
) as latest on latest.status = 'failed'
where trainings.serving
order by trainings.run_id
