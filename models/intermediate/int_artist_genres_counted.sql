{{ config(
    meta={'primary_key': ['artist_id', 'genre']},
) }}

select
    artist_id,
    genre,
    sum(playlists)::integer as playlists
from {{ ref('int_artist_playlists_counted') }}
where genre is not null
group by artist_id, genre
