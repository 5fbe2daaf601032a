select
    run_id,
    candidate,
    metric,
    scale,
    split,
    value as metric_value
from {{ source('ml', 'model_metrics') }}
