select
    entity,
    reason,
    refused,
    still_open,
    first_refused_at,
    last_refused_at
from insights.rejects_by_reason
order by still_open desc, refused desc, entity asc, reason asc
