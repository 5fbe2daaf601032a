{{ config(materialized='view') }}

-- Of the training that serves, and of the runs that scored with its model what is new or changed: the latest counts.
with runs as (

    select * from {{ ref('stg_ml__model_runs') }}
    where status = 'succeeded'

),

clusters as (

    select * from {{ ref('stg_ml__artist_clusters') }}

),

ranked as (

    select
        clusters.artist_uri,
        clusters.run_id,
        clusters.cluster_id,
        clusters.similarity_score,
        clusters.assigned_at,
        row_number() over (partition by clusters.artist_uri order by clusters.run_id desc) as recency
    from runs as trainings
    inner join runs on trainings.run_id = coalesce(runs.scored_with_run_id, runs.run_id)
    inner join clusters on runs.run_id = clusters.run_id
    where trainings.is_serving

)

select
    artist_uri,
    run_id,
    cluster_id,
    similarity_score,
    assigned_at
from ranked
where recency = 1
