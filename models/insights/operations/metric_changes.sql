with trainings as (

    select * from {{ ref('int_trainings_compared') }}

),

measured as (

    select * from {{ ref('stg_ml__model_metrics') }}
    where split = 'test' or split is null

),

spreads as (

    select * from {{ ref('stg_ml__model_metrics') }}
    where split = 'repeated_sd'

),

thresholds as (

    select max(threshold_value) filter (where threshold = 'metric_change_spreads') as metric_change_spreads
    from {{ ref('recommendation_thresholds') }}

)

-- What served then beside what serves now, each on the playlists that were held out from it.
select
    trainings.model_name,
    metrics.metric,
    metrics.scale,
    earlier.metric_value as previous_metric_value,
    metrics.metric_value,
    metrics.metric_value - earlier.metric_value as change,
    spreads.metric_value as spread,
    abs(metrics.metric_value - earlier.metric_value)
    > thresholds.metric_change_spreads * spreads.metric_value as is_beyond_chance,
    trainings.champion,
    trainings.previous_champion,
    trainings.run_id,
    trainings.previous_run_id
from trainings
cross join thresholds
inner join measured as metrics
    on
        trainings.run_id = metrics.run_id
        and trainings.champion = metrics.candidate
left join measured as earlier
    on
        trainings.previous_run_id = earlier.run_id
        and trainings.previous_champion = earlier.candidate
        and metrics.metric = earlier.metric
        and metrics.scale is not distinct from earlier.scale
left join spreads
    on
        trainings.run_id = spreads.run_id
        and trainings.champion = spreads.candidate
        and metrics.metric = spreads.metric
        and metrics.scale is not distinct from spreads.scale
