{{ config(materialized='view') }}

-- Of the training that serves, and of the runs that scored with its model what is new or changed: the latest counts.
with runs as (

    select * from {{ ref('stg_ml__model_runs') }}
    where status = 'succeeded'

),

predictions as (

    select * from {{ ref('stg_ml__playlist_predictions') }}

),

ranked as (

    select
        predictions.pid,
        predictions.run_id,
        predictions.predicted_followers,
        predictions.interval_low,
        predictions.interval_high,
        predictions.confidence_score,
        predictions.is_held_out,
        predictions.predicted_at,
        row_number() over (partition by predictions.pid order by predictions.run_id desc) as recency
    from runs as trainings
    inner join runs on trainings.run_id = coalesce(runs.scored_with_run_id, runs.run_id)
    inner join predictions on runs.run_id = predictions.run_id
    where trainings.is_serving

)

select
    pid,
    run_id,
    predicted_followers,
    interval_low,
    interval_high,
    confidence_score,
    is_held_out,
    predicted_at
from ranked
where recency = 1
