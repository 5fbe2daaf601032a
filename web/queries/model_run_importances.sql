select
    method,
    feature,
    importance
from ml.feature_importances
where run_id = :run_id
order by method asc, importance desc, feature asc
