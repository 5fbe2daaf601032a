select
    candidate,
    metric,
    scale,
    is_champion,
    metric_value,
    spread
from insights.model_candidates
where is_serving and model_name = 'playlist_popularity'
order by candidate, metric, scale
