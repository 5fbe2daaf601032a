select *
from insights.data_quality
order by rule
