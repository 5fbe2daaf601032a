select *
from insights.feature_importances
order by method, importance_rank, feature
