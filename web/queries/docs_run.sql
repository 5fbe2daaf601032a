-- The last run that wrote the dbt docs, or is to.
select
    run_id,
    status,
    step,
    steps_done,
    steps_total,
    requested_at,
    finished_at,
    error
from ops.runs
where kind = 'docs'
order by run_id desc
limit 1
