{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'primary_key': ['album_id']},
    indexes=[{'columns': ['album_uri'], 'unique': true}],
    pre_hook=["{{ forget_changed('album_id') }}"],
    post_hook=["{{ remember_slices() }}"],
) }}

-- Read only when the model is not built as a whole.
-- depends_on: {{ ref('int_playlist_versions_titled') }}
-- depends_on: {{ ref('stg_mpd__playlist_versions') }}
with names as (

    select
        album_id,
        album_uri,
        album_name,
        sum(appearances) as appearances
    from {{ ref('int_track_variants_counted') }}
    {% if is_incremental() %}
        where album_id in (select changed.album_id from changed)
    {% endif %}
    group by album_id, album_uri, album_name

),

ranked as (

    select
        album_id,
        album_uri,
        album_name,
        row_number() over (
            partition by album_id
            order by appearances desc, album_name collate "C" asc
        ) as preference,
        count(*) over (partition by album_id) as num_names
    from names

),

-- A soundtrack or a compilation has many artists: the artist belongs to the track, never to the album.
contents as (

    select
        album_id,
        count(distinct track_id) as num_tracks,
        count(distinct artist_id) as num_artists,
        sum(appearances) as track_appearances
    from {{ ref('int_track_variants_counted') }}
    {% if is_incremental() %}
        where album_id in (select changed.album_id from changed)
    {% endif %}
    group by album_id

)

select
    ranked.album_id,
    ranked.album_uri,
    ranked.album_name,
    ranked.num_names::integer as num_names,
    contents.num_tracks::integer as num_tracks,
    contents.num_artists::integer as num_artists,
    contents.track_appearances::bigint as track_appearances
from ranked
inner join contents on ranked.album_id = contents.album_id
where ranked.preference = 1
