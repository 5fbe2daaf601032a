{{ config(
    post_hook=["{{ add_primary_key(['album_id']) }}"],
    indexes=[{'columns': ['album_uri'], 'unique': true}],
) }}

with variants as (

    select * from {{ ref('int_track_variants_counted') }}

),

names as (

    select
        album_uri,
        album_name,
        sum(appearances) as appearances
    from variants
    group by album_uri, album_name

),

ranked as (

    select
        album_uri,
        album_name,
        row_number() over (
            partition by album_uri
            order by appearances desc, album_name asc
        ) as preference
    from names

),

-- A soundtrack or a compilation has many artists: the artist belongs to the track, never to the album.
contents as (

    select
        album_uri,
        count(distinct track_uri) as num_tracks,
        count(distinct artist_uri) as num_artists,
        sum(appearances) as track_appearances
    from variants
    group by album_uri

)

select
    {{ entity_id('ranked.album_uri') }} as album_id,
    ranked.album_uri,
    ranked.album_name,
    contents.num_tracks::integer as num_tracks,
    contents.num_artists::integer as num_artists,
    contents.track_appearances::bigint as track_appearances
from ranked
inner join contents on ranked.album_uri = contents.album_uri
where ranked.preference = 1
