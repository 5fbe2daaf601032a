with runs as (

    select * from {{ ref('stg_ml__model_runs') }}
    where status = 'succeeded'

),

metrics as (

    select * from {{ ref('stg_ml__model_metrics') }}
    where candidate is null

),

targets as (

    select * from {{ ref('model_targets') }}

),

-- The constants that a sceptic would answer with, beside each metric of the held-out playlists.
baselines as (

    select
        run_id,
        metric,
        scale,
        max(metric_value) filter (where split = 'baseline_one') as baseline_one,
        max(metric_value) filter (where split = 'baseline_median') as baseline_median,
        max(metric_value) filter (where split = 'baseline_mean') as baseline_mean
    from metrics
    group by run_id, metric, scale

)

select
    runs.run_id,
    metrics.metric,
    metrics.scale,
    metrics.split,
    runs.model_name,
    runs.is_serving,
    metrics.metric_value,
    baselines.baseline_one,
    baselines.baseline_median,
    baselines.baseline_mean,
    targets.target_value,
    case targets.comparison
        when 'below' then metrics.metric_value < targets.target_value
        when 'above' then metrics.metric_value > targets.target_value
    end as is_target_met,
    runs.rows_read,
    runs.finished_at
from runs
inner join metrics on runs.run_id = metrics.run_id
left join baselines
    on
        metrics.run_id = baselines.run_id
        and metrics.metric = baselines.metric
        and metrics.scale = baselines.scale
left join targets
    on
        runs.model_name = targets.model_name
        and metrics.metric = targets.metric
        and metrics.split = 'test'
where metrics.split is null or metrics.split in ('test', 'train')
