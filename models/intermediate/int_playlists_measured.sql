{{ config(
    materialized='incremental',
    unique_key='pid',
    meta={'primary_key': ['pid']},
    post_hook=["{{ remember_slices() }}"],
) }}

with playlists as (

    {{ new_playlists() }}

),

-- Computed from the tracks: hand-edited copies declare other numbers than they hold.
measured as (

    select
        playlists.*,
        cardinality(playlists.track_ids) as num_tracks,
        {{ count_distinct('playlists.track_ids') }} as num_distinct_tracks,
        {{ count_distinct('playlists.album_ids') }} as num_albums,
        {{ count_distinct('playlists.artist_ids') }} as num_artists,
        {{ sum_of('playlists.track_durations_ms') }} as duration_ms,
        {{ digest_of('playlists.track_ids') }} as track_list_digest,
        {{ are_spotify_ids(['playlists.track_ids', 'playlists.album_ids', 'playlists.artist_ids']) }} as has_sound_uris
    from playlists

)

select
    pid,
    slice_id,
    playlist_name,
    normalised_title,
    genre,
    description,
    is_collaborative,
    is_collaborative_a_string,
    has_unknown_fields,
    has_sound_uris,
    num_followers,
    num_edits,
    num_tracks,
    num_distinct_tracks,
    num_albums,
    num_artists,
    duration_ms,
    track_list_digest,
    declared_num_tracks,
    declared_num_albums,
    declared_num_artists,
    declared_duration_ms,
    modified_at,
    landed_at
from measured
