select
    run_id,
    model,
    trigger,
    status,
    serving as is_serving,
    champion,
    scored_with,
    rows_read,
    started_at,
    finished_at,
    reason,
    error
from ml.model_runs
order by run_id desc
limit :limit offset :offset
