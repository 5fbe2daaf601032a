select *
from insights.model_candidates
order by run_id, candidate, metric, scale
