-- Bands follow each other from 1 to the largest integer without a gap and without an overlap: a playlist in none would
-- drop out of the marts, and one in two would be there twice.
with bands as (

    select
        'length_bands' as seed,
        min_tracks as smallest,
        max_tracks as largest
    from {{ ref('length_bands') }}
    union all
    select
        'follower_bands' as seed,
        min_followers as smallest,
        max_followers as largest
    from {{ ref('follower_bands') }}

),

followed as (

    select
        *,
        lag(largest, 1, 0) over (partition by seed order by smallest) as largest_before,
        lead(smallest) over (partition by seed order by smallest) is null as is_last
    from bands

)

select *
from followed
where
    smallest != largest_before + 1
    or largest < smallest
    or (is_last and largest != 2147483647)
