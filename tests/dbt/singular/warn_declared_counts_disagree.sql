-- Playlists whose declared numbers are not those of their tracks. A warning, not an error: hand-edited copies of the
-- dataset exist, the marts count the tracks and keep what was declared beside it.
{{ config(severity='warn') }}

select
    pid,
    num_tracks,
    declared_num_tracks,
    num_albums,
    declared_num_albums,
    num_artists,
    declared_num_artists,
    duration_ms,
    declared_duration_ms
from {{ ref('playlists') }}
where
    num_tracks != declared_num_tracks
    or num_albums != declared_num_albums
    or num_artists != declared_num_artists
    or duration_ms != declared_duration_ms
