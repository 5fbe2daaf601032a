select
    run_id,
    model as model_name,
    trigger as trigger_reason,
    status,
    serving as is_serving,
    scored_with as scored_with_run_id,
    reason,
    champion,
    rows_read,
    params,
    (params ->> 'interval_coverage_pct')::double precision / 100 as interval_coverage,
    library_versions,
    features_sha256,
    error as error_message,
    started_at,
    finished_at
from {{ source('ml', 'model_runs') }}
