{{ config(
    post_hook=["{{ add_primary_key(['track_id']) }}"],
    indexes=[{'columns': ['track_uri'], 'unique': true}, {'columns': ['artist_id']}, {'columns': ['album_id']}],
) }}

with variants as (

    select
        *,
        row_number() over (
            partition by track_uri
            order by
                appearances desc,
                track_name asc,
                artist_uri asc,
                album_uri asc,
                duration_ms asc,
                artist_name asc,
                album_name asc
        ) as preference,
        sum(appearances) over (partition by track_uri) as track_appearances
    from {{ ref('int_track_variants_counted') }}

)

select
    {{ entity_id('track_uri') }} as track_id,
    track_uri,
    {{ entity_id('artist_uri') }} as artist_id,
    artist_uri,
    {{ entity_id('album_uri') }} as album_id,
    album_uri,
    track_name,
    duration_ms,
    track_appearances::bigint as track_appearances
from variants
where preference = 1
