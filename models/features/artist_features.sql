select
    artist_uri,
    playlist_appearances,
    avg_followers,
    track_count,
    avg_followers / playlist_appearances as followers_per_playlist,
    track_count::double precision / playlist_appearances as tracks_per_playlist
from {{ ref('int_artists_measured') }}
