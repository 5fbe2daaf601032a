{{ config(materialized='view') }}

select
    genre,
    row_number() over (order by genre collate "C")::integer as genre_number
from {{ ref('genre_keywords') }}
-- Some keywords name none: they keep others from being found.
where genre is not null
group by genre
