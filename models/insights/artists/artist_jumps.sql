{{ config(
    meta={'primary_key': ['artist_uri', 'modified_month']},
) }}

with movements as (

    select * from {{ ref('artist_movements') }}

),

thresholds as (

    select
        max(threshold_value) filter (where threshold = 'jump_min_movement') as min_movement,
        max(threshold_value) filter (where threshold = 'jump_min_ratio') as min_ratio
    from {{ ref('recommendation_thresholds') }}

),

directed as (

    select
        movements.*,
        case
            when
                movements.movement >= thresholds.min_movement
                and movements.playlists >= thresholds.min_ratio * movements.expected_playlists
                then 'up'
            when
                movements.movement <= -thresholds.min_movement
                and thresholds.min_ratio * movements.playlists <= movements.expected_playlists
                then 'down'
        end as direction
    from movements
    cross join thresholds

)

select
    artist_uri,
    modified_month,
    artist_name,
    stage,
    direction,
    movement,
    playlists,
    expected_playlists,
    earlier_playlists,
    100.0::double precision * playlists / all_playlists as share_pct,
    100.0::double precision * earlier_playlists / all_earlier_playlists as earlier_share_pct,
    'in ' || playlists || ' of the ' || all_playlists || ' playlists last changed in '
    || to_char(modified_month, 'YYYY-MM') || ', where its share of the six months before (' || earlier_playlists
    || ' of ' || all_earlier_playlists || ') would give ' || round(expected_playlists::numeric, 1) || '; '
    || round(abs(movement)::numeric, 1) || ' spreads beyond the median of the ' || stage
    || ' stage in that month' as reason
from directed
where direction is not null
