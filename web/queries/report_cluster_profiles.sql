select *
from insights.cluster_profiles
order by cluster_id
