{{ config(
    meta={'primary_key': ['genre', 'modified_month']},
    indexes=[{'columns': ['modified_month', 'trend_score']}],
) }}

with counts as (

    select
        genre,
        {{ month_of('modified_at') }} as modified_month,
        count(*)::integer as playlists
    from {{ ref('int_playlists_measured') }}
    where genre is not null
    group by genre, {{ month_of('modified_at') }}

),

trends as (

    {{ monthly_trends('counts', 'genre', 'count(*)') }}

)

select * from trends
