{{ config(materialized='view') }}

select
    predictions.pid,
    trainings.run_id,
    trainings.previous_run_id,
    earlier.predicted_followers as previous_predicted_followers,
    predictions.predicted_followers,
    predictions.predicted_followers / earlier.predicted_followers as predicted_ratio
from {{ ref('int_trainings_compared') }} as trainings
inner join {{ ref('stg_ml__playlist_predictions') }} as predictions on trainings.run_id = predictions.run_id
inner join {{ ref('stg_ml__playlist_predictions') }} as earlier
    on
        trainings.previous_run_id = earlier.run_id
        and predictions.pid = earlier.pid
where trainings.model_name = 'playlist_popularity'
