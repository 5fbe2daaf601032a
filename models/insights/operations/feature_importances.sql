select
    importances.method,
    importances.feature,
    importances.importance,
    rank() over (partition by importances.method order by importances.importance desc) as importance_rank,
    earlier.importance as previous_importance,
    importances.run_id
from {{ ref('stg_ml__feature_importances') }} as importances
inner join {{ ref('stg_ml__model_runs') }} as runs on importances.run_id = runs.run_id
left join {{ ref('int_trainings_compared') }} as trainings on importances.run_id = trainings.run_id
left join {{ ref('stg_ml__feature_importances') }} as earlier
    on
        trainings.previous_run_id = earlier.run_id
        and importances.method = earlier.method
        and importances.feature = earlier.feature
where runs.is_serving and runs.model_name = 'playlist_popularity'
