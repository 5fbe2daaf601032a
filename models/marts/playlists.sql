{{ config(
    meta={'primary_key': ['pid']},
    indexes=[{'columns': ['num_followers']}, {'columns': ['genre', 'num_followers']}],
) }}

with playlists as (

    select * from {{ ref('int_playlists_measured') }}

),

predictions as (

    select * from {{ ref('int_playlist_predictions_serving') }}

)

select
    playlists.pid,
    playlists.playlist_name as name,
    playlists.normalised_title,
    playlists.genre,
    playlists.description,
    playlists.is_collaborative as collaborative,
    playlists.num_tracks,
    playlists.num_distinct_tracks,
    playlists.num_albums,
    playlists.num_artists,
    playlists.duration_ms,
    playlists.declared_num_tracks,
    playlists.declared_num_albums,
    playlists.declared_num_artists,
    playlists.declared_duration_ms,
    playlists.num_followers,
    playlists.num_edits,
    predictions.predicted_followers,
    playlists.modified_at,
    predictions.predicted_at as last_processed
from playlists
left join predictions on playlists.pid = predictions.pid
