select
    run_id,
    kind,
    requested_by,
    requested_at,
    started_at,
    finished_at,
    status,
    attempts,
    step,
    steps_done,
    steps_total,
    result,
    error
from ops.runs
order by run_id desc
limit :limit offset :offset
