{{ config(
    meta={'primary_key': ['artist_id', 'genre']},
    indexes=[{'columns': ['genre', 'playlists']}],
) }}

with counts as (

    select * from {{ ref('int_artist_genres_counted') }}

),

artists as (

    select * from {{ ref('int_artists_named') }}

),

ranked as (

    {{ ranked_genres('counts', 'artist_id', 'artist_share') }}

)

select
    ranked.artist_id,
    ranked.genre,
    artists.artist_uri,
    artists.artist_name,
    ranked.genre_rank,
    ranked.is_primary,
    ranked.playlists,
    ranked.named_playlists,
    ranked.share_pct,
    ranked.expected_share_pct,
    ranked.lift
from ranked
inner join artists on ranked.artist_id = artists.artist_id
