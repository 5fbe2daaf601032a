{{ config(materialized='view') }}

select
    predictions.pid,
    predictions.run_id,
    predictions.predicted_followers,
    predictions.is_held_out,
    predictions.predicted_at
from {{ ref('stg_ml__playlist_predictions') }} as predictions
inner join {{ ref('stg_ml__model_runs') }} as runs on predictions.run_id = runs.run_id
where runs.is_serving
