-- No row of the warehouse breaks a rule of severity error: numbers would be wrong. What the loader keeps aside is not in
-- the warehouse, and stops nothing.
select
    rule,
    rows_broken - rows_kept_aside as failures
from {{ ref('data_quality') }}
where severity = 'error' and rows_broken > rows_kept_aside
union all
-- And each open reject counts under a rule.
select
    'every_reject_has_a_rule' as rule,
    count(*) - (select sum(rows_kept_aside) from {{ ref('data_quality') }}) as failures
from {{ ref('stg_mpd__rejects') }}
where is_open
having count(*) != (select sum(rows_kept_aside) from {{ ref('data_quality') }})
