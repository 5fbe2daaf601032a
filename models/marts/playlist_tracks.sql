{{ config(
    post_hook=["{{ add_primary_key(['pid', 'pos']) }}"],
    indexes=[{'columns': ['track_id']}, {'columns': ['artist_id']}],
) }}

select
    pid,
    pos,
    track_id,
    album_id,
    artist_id
from {{ ref('int_playlist_tracks_keyed') }}
