-- From month to month, newest first, by the index: the table has a row for every artist in each of them.
with recursive months as (

    (
        select modified_month
        from insights.artist_monthly_trends
        order by modified_month desc
        limit 1
    )
    union all
    select
        (
            select earlier.modified_month
            from insights.artist_monthly_trends as earlier
            where earlier.modified_month < months.modified_month
            order by earlier.modified_month desc
            limit 1
        )
    from months
    where months.modified_month is not null

)

select modified_month as month
from months
where modified_month is not null
order by modified_month desc
