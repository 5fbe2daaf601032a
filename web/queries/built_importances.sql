-- Of the training that the marts have the predictions of.
select
    importances.feature,
    importances.importance,
    importances.run_id,
    runs.champion
from insights.feature_importances as importances
inner join ml.model_runs as runs on importances.run_id = runs.run_id
where importances.method = 'permutation'
order by importances.importance_rank, importances.feature
