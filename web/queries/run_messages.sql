with latest as (

    select
        message_id,
        logged_at,
        level,
        message
    from ops.run_messages
    where run_id = :run_id
    order by message_id desc
    limit 1000

)

select
    logged_at,
    level,
    message
from latest
order by message_id
