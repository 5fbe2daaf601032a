-- The forest as specified, of the training that serves, beside constant answers.
select
    metric,
    scale,
    split,
    metric_value,
    baseline_one,
    baseline_median,
    baseline_mean,
    target_value,
    is_target_met
from insights.model_performance
where is_serving and model_name = 'playlist_popularity'
order by scale, metric, split
