{{ config(
    indexes=[{'columns': ['run_id', 'metric']}],
) }}

with runs as (

    select * from {{ ref('stg_ml__model_runs') }}
    where status = 'succeeded'

),

measured as (

    select
        run_id,
        candidate,
        metric,
        scale,
        max(metric_value) filter (where split = 'repeated_mean' or split is null) as metric_value,
        max(metric_value) filter (where split = 'repeated_sd') as spread
    from {{ ref('stg_ml__model_metrics') }}
    where candidate is not null and (split is null or split in ('repeated_mean', 'repeated_sd'))
    group by run_id, candidate, metric, scale

)

select
    runs.run_id,
    measured.candidate,
    measured.metric,
    measured.scale,
    runs.model_name,
    runs.is_serving,
    measured.candidate = runs.champion as is_champion,
    measured.metric_value,
    measured.spread,
    runs.finished_at
from measured
inner join runs on measured.run_id = runs.run_id
