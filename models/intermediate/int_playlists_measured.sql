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
        {{ sum_of('playlists.track_durations_ms') }} as duration_ms
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
    num_followers,
    num_edits,
    num_tracks,
    num_distinct_tracks,
    num_albums,
    num_artists,
    duration_ms,
    declared_num_tracks,
    declared_num_albums,
    declared_num_artists,
    declared_duration_ms,
    modified_at,
    landed_at
from measured
