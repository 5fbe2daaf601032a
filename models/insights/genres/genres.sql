{#- Beside it, what tells the genre of a title that is in no table. -#}
{{ config(
    meta={'primary_key': ['genre']},
    post_hook=["{{ create_title_features(this, ref('genre_keywords'), ref('int_genres_numbered')) }}"],
) }}

with genres as (

    select * from {{ ref('int_genres_measured') }}

),

playlists as (

    select count(*) as playlists from {{ ref('int_playlists_measured') }}

),

tracks as (

    select
        genre,
        count(*)::integer as tracks
    from {{ ref('int_track_playlists_counted') }}
    where genre is not null
    group by genre

),

artists as (

    select
        genre,
        count(*)::integer as artists
    from {{ ref('int_artist_genres_counted') }}
    group by genre

),

-- Among the artists of the genre: those of other genres may be in more of its playlists, since they are everywhere.
ranked_artists as (

    select
        *,
        row_number() over (
            partition by genre
            order by playlists desc, artist_uri collate "C" asc
        ) as preference
    from {{ ref('artist_genres') }}
    where is_primary

),

top_artists as (

    select * from ranked_artists
    where preference = 1

)

select
    genres.genre,
    genres.playlists,
    100.0::double precision * genres.playlists / playlists.playlists as share_of_playlists_pct,
    100.0::double precision * genres.playlists / sum(genres.playlists) over () as share_of_named_pct,
    genres.usual_title,
    genres.followers,
    genres.avg_followers,
    genres.median_followers,
    tracks.tracks,
    artists.artists,
    genres.median_tracks,
    genres.median_artists,
    genres.median_duration_ms / 60000 as median_duration_min,
    top_artists.artist_uri as top_artist_uri,
    top_artists.artist_name as top_artist_name,
    top_artists.playlists as top_artist_playlists
from genres
cross join playlists
inner join tracks on genres.genre = tracks.genre
inner join artists on genres.genre = artists.genre
left join top_artists on genres.genre = top_artists.genre
