-- No row of the warehouse breaks a rule of severity error: numbers would be wrong. What the loader keeps aside is not
-- in the warehouse, and stops nothing. And each open reject counts under a rule.
with quality as (

    select * from {{ ref('data_quality') }}

),

rejects as (

    select
        (
            select count(*) from {{ ref('stg_mpd__rejects') }} as rejects
            where rejects.is_open
        ) as rejects_open,
        (select sum(quality.rows_kept_aside) from quality) as rejects_counted

)

select
    rule,
    rows_broken - rows_kept_aside as failures
from quality
where severity = 'error' and rows_broken > rows_kept_aside
union all
select
    'each_reject_has_a_rule' as rule,
    rejects_open - rejects_counted as failures
from rejects
where rejects_open != rejects_counted
