-- No row of the warehouse breaks a rule of severity error: numbers would be wrong. What the loader keeps aside is not
-- in the warehouse, and stops nothing. And each reason for a reject has a rule that it counts under.
select
    rule,
    rows_broken - rows_kept_aside as failures
from {{ ref('data_quality') }}
where severity = 'error' and rows_broken > rows_kept_aside
union all
select
    'no rule counts rejects for ' || rejects.reason as rule,
    count(*) as failures
from {{ ref('stg_mpd__rejects') }} as rejects
left join {{ ref('data_quality_rules') }} as rules on rejects.reason = rules.reject_reason
where rejects.is_open and rules.rule is null
group by rejects.reason
