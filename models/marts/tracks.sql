{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'primary_key': ['track_id']},
    indexes=[
        {'columns': ['track_uri'], 'unique': true},
        {'columns': ['artist_id', 'track_appearances']},
        {'columns': ['album_id']},
        {'columns': ['playlist_appearances']},
        {'columns': ['track_appearances']},
    ],
    pre_hook=["{{ forget_changed('track_id') }}"],
    post_hook=["{{ remember_slices() }}"],
) }}

-- Read only when the model is not built as a whole.
-- depends_on: {{ ref('int_playlist_versions_titled') }}
-- depends_on: {{ ref('stg_mpd__playlist_versions') }}
with variants as (

    select * from {{ ref('int_track_variants_counted') }}
    {% if is_incremental() %}
        where track_id in (select changed.track_id from changed)
    {% endif %}

),

playlist_counts as (

    select
        track_id,
        sum(playlists)::integer as playlist_appearances
    from {{ ref('int_track_playlists_counted') }}
    {% if is_incremental() %}
        where track_id in (select changed.track_id from changed)
    {% endif %}
    group by track_id

),

ranked as (

    select
        *,
        row_number() over (
            partition by track_id
            order by
                appearances desc,
                track_name collate "C" asc,
                artist_uri collate "C" asc,
                album_uri collate "C" asc,
                duration_ms asc,
                artist_name collate "C" asc,
                album_name collate "C" asc
        ) as preference,
        sum(appearances) over (partition by track_id) as track_appearances,
        count(*) over (partition by track_id) as num_variants
    from variants

)

select
    ranked.track_id,
    ranked.track_uri,
    ranked.artist_id,
    ranked.artist_uri,
    ranked.album_id,
    ranked.album_uri,
    ranked.track_name,
    ranked.duration_ms,
    ranked.duration_ms / 60000.0::double precision as duration_minutes,
    ranked.num_variants::integer as num_variants,
    ranked.track_appearances::bigint as track_appearances,
    playlist_counts.playlist_appearances
from ranked
inner join playlist_counts on ranked.track_id = playlist_counts.track_id
where ranked.preference = 1
