{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='variant_id',
    merge_update_columns=['appearances'],
    meta={'primary_key': ['variant_id']},
    indexes=[{'columns': ['track_id']}, {'columns': ['album_id']}],
    post_hook=["delete from {{ this }} where appearances = 0", "{{ remember_slices() }}"],
) }}

-- Names and durations are attributes of the row in the JSON, not of the URI. Every combination that occurs is kept
-- with its weight, so that tracks, albums and artists choose among them by the same rule.
with changes as (

    {{ playlist_changes() }}

),

counts as (

    select
        tracks.track,
        tracks.track_name,
        tracks.album,
        tracks.album_name,
        tracks.artist,
        tracks.artist_name,
        tracks.duration_ms,
        sum(changes.change)::integer as appearances
    from changes
    cross join {{ named_tracks_of('changes') }} as tracks
    group by
        tracks.track,
        tracks.track_name,
        tracks.album,
        tracks.album_name,
        tracks.artist,
        tracks.artist_name,
        tracks.duration_ms
    having sum(changes.change) != 0

),

uris as (

    select
        'spotify:track:' || track as track_uri,
        track_name,
        'spotify:album:' || album as album_uri,
        album_name,
        'spotify:artist:' || artist as artist_uri,
        artist_name,
        duration_ms,
        appearances
    from counts

),

keyed as (

    select
        {{ record_id(
            ['track_uri', 'track_name', 'album_uri', 'album_name', 'artist_uri', 'artist_name', 'duration_ms']
        ) }} as variant_id,
        {{ entity_id('track_uri') }} as track_id,
        {{ entity_id('album_uri') }} as album_id,
        {{ entity_id('artist_uri') }} as artist_id,
        *
    from uris

),

counted as (

    {{ counted_before('variant_id', ['appearances']) }}

)

select
    keyed.variant_id,
    keyed.track_id,
    keyed.album_id,
    keyed.artist_id,
    keyed.track_uri,
    keyed.track_name,
    keyed.album_uri,
    keyed.album_name,
    keyed.artist_uri,
    keyed.artist_name,
    keyed.duration_ms,
    keyed.appearances + coalesce(counted.appearances, 0) as appearances
from keyed
left join counted on keyed.variant_id = counted.variant_id
