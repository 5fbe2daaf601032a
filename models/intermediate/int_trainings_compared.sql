{{ config(materialized='view') }}

with trainings as (

    select * from {{ ref('stg_ml__model_runs') }}
    where status = 'succeeded' and scored_with_run_id is null

)

select
    serving.model_name,
    serving.run_id,
    earlier.run_id as previous_run_id,
    serving.champion,
    earlier.champion as previous_champion,
    serving.rows_read,
    earlier.rows_read as previous_rows_read,
    serving.finished_at,
    earlier.finished_at as previous_finished_at
from trainings as serving
cross join
    lateral (
        select trainings.*
        from trainings
        where
            trainings.model_name = serving.model_name
            and trainings.run_id < serving.run_id
            -- Of trainings long ago only the metrics are kept.
            and (
                exists (
                    select 1 from {{ ref('stg_ml__playlist_predictions') }} as predictions
                    where predictions.run_id = trainings.run_id
                )
                or exists (
                    select 1 from {{ ref('stg_ml__artist_clusters') }} as clusters
                    where clusters.run_id = trainings.run_id
                )
            )
        order by trainings.run_id desc
        limit 1
    ) as earlier
where serving.is_serving
