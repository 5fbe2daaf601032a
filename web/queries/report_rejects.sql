select *
from insights.rejects_by_reason
order by entity, reason
