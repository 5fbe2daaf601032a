{{ config(materialized='view') }}

with trainings as (

    select * from {{ ref('stg_ml__model_runs') }}
    where status = 'succeeded' and scored_with_run_id is null

),

-- Of trainings long ago only the metrics are kept.
kept as (

    select * from trainings
    where
        exists (
            select 1 from {{ ref('stg_ml__playlist_predictions') }} as predictions
            where predictions.run_id = trainings.run_id
        )
        or exists (
            select 1 from {{ ref('stg_ml__artist_clusters') }} as clusters
            where clusters.run_id = trainings.run_id
        )

),

paired as (

    select
        serving.model_name,
        serving.run_id,
        earlier.run_id as previous_run_id,
        serving.champion,
        earlier.champion as previous_champion,
        serving.rows_read,
        earlier.rows_read as previous_rows_read,
        serving.finished_at,
        earlier.finished_at as previous_finished_at,
        row_number() over (partition by serving.model_name order by earlier.run_id desc) as recency
    from trainings as serving
    inner join kept as earlier
        on
            serving.model_name = earlier.model_name
            and serving.run_id > earlier.run_id
    where serving.is_serving

)

select
    model_name,
    run_id,
    previous_run_id,
    champion,
    previous_champion,
    rows_read,
    previous_rows_read,
    finished_at,
    previous_finished_at
from paired
where recency = 1
