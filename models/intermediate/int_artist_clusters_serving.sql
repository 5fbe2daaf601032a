{{ config(materialized='view') }}

select
    clusters.artist_uri,
    clusters.run_id,
    clusters.cluster_id,
    clusters.similarity_score,
    clusters.assigned_at
from {{ ref('stg_ml__artist_clusters') }} as clusters
inner join {{ ref('stg_ml__model_runs') }} as runs on clusters.run_id = runs.run_id
where runs.is_serving
