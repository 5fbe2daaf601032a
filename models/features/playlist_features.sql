select
    pid,
    num_tracks,
    num_albums,
    duration_ms,
    is_collaborative as collaborative,
    declared_num_artists as num_artists,
    num_artists as unique_artists,
    num_tracks::double precision / num_artists as tracks_per_artist,
    num_tracks::double precision / num_albums as avg_tracks_per_album,
    duration_ms::double precision / num_tracks as avg_track_duration,
    num_followers
from {{ ref('int_playlists_measured') }}
