select
    importances.method,
    importances.feature,
    importances.importance,
    rank() over (partition by importances.method order by importances.importance desc) as importance_rank,
    importances.run_id
from {{ ref('stg_ml__feature_importances') }} as importances
inner join {{ ref('stg_ml__model_runs') }} as runs on importances.run_id = runs.run_id
where runs.is_serving and runs.model_name = 'playlist_popularity'
