{#- Titles are searched by how they begin; of those with the same title the most followed come first. -#}
{{ config(
    meta={'primary_key': ['pid']},
    indexes=[
        {'columns': ['num_followers']},
        {'columns': ['genre', 'num_followers']},
        {'columns': ['normalised_title', 'num_followers desc', 'pid']},
    ],
) }}

with playlists as (

    select * from {{ ref('int_playlists_banded') }}

),

predictions as (

    select * from {{ ref('stg_ml__serving_predictions') }}

),

-- Lists of tracks that occur more than once; the playlist with the lowest pid counts as the first to have it.
repeated_lists as (

    select
        track_list_digest,
        min(pid) as first_pid
    from {{ ref('int_playlists_measured') }}
    group by track_list_digest
    having count(*) > 1

),

genres as (

    select * from {{ ref('int_genres_numbered') }}

)

select
    playlists.pid,
    nullif(repeated_lists.first_pid, playlists.pid) as duplicate_of_pid,
    playlists.playlist_name as name,
    playlists.normalised_title,
    playlists.genre,
    coalesce(genres.genre_number, 0) as genre_number,
    playlists.description,
    playlists.has_description,
    playlists.is_collaborative as collaborative,
    playlists.num_tracks,
    playlists.length_band,
    playlists.num_tracks not between 5 and 250 as is_outside_official_lengths,
    playlists.num_distinct_tracks,
    playlists.duplicate_tracks,
    playlists.num_albums,
    playlists.num_artists,
    playlists.duration_ms,
    playlists.duration_ms / 60000.0::double precision as duration_minutes,
    playlists.declared_num_tracks,
    playlists.declared_num_albums,
    playlists.declared_num_artists,
    playlists.declared_duration_ms,
    playlists.num_tracks = playlists.declared_num_tracks
    and playlists.num_albums = playlists.declared_num_albums
    and playlists.num_artists = playlists.declared_num_artists
    and playlists.duration_ms = playlists.declared_duration_ms as is_declared_right,
    coalesce(repeated_lists.first_pid != playlists.pid, false) as is_duplicate,
    playlists.num_followers,
    playlists.follower_band,
    playlists.num_edits,
    predictions.predicted_followers,
    predictions.interval_low as predicted_low,
    predictions.interval_high as predicted_high,
    predictions.confidence_score,
    playlists.modified_at,
    predictions.predicted_at as last_processed
from playlists
left join repeated_lists on playlists.track_list_digest = repeated_lists.track_list_digest
left join genres on playlists.genre = genres.genre
left join predictions on playlists.pid = predictions.pid
