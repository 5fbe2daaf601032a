-- What is broken first, the graver the sooner.
select
    rule,
    entity,
    description,
    severity,
    reason,
    rows_checked,
    rows_broken,
    rows_kept_aside,
    share_broken_pct
from insights.data_quality
order by
    (rows_broken = 0) asc,
    array_position(array['error', 'warn', 'info'], severity) asc,
    rows_broken desc,
    rule asc
