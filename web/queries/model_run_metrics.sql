select
    candidate,
    metric,
    scale,
    split,
    value
from ml.model_metrics
where run_id = :run_id
order by candidate nulls first, metric, scale, split
