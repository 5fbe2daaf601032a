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
    error,
    params,
    library_versions
from ml.model_runs
where run_id = :run_id
