select
    feature,
    importance
from ml.feature_importances
where run_id = :run_id and method = 'permutation'
order by importance desc, feature asc
