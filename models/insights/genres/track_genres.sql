{{ config(
    meta={'primary_key': ['track_id', 'genre']},
    indexes=[{'columns': ['genre', 'playlists']}],
) }}

with counts as (

    select * from {{ ref('int_track_playlists_counted') }}
    where genre is not null

),

tracks as (

    select * from {{ ref('tracks') }}

),

artists as (

    select * from {{ ref('int_artists_named') }}

),

ranked as (

    {{ ranked_genres('counts', 'track_id', 'track_share') }}

)

select
    ranked.track_id,
    ranked.genre,
    tracks.track_uri,
    tracks.artist_id,
    tracks.track_name,
    artists.artist_name,
    ranked.genre_rank,
    ranked.is_primary,
    ranked.playlists,
    ranked.named_playlists,
    ranked.share_pct,
    ranked.expected_share_pct,
    ranked.lift
from ranked
inner join tracks on ranked.track_id = tracks.track_id
inner join artists on tracks.artist_id = artists.artist_id
