select *
from insights.model_performance
order by run_id, metric, scale, split
