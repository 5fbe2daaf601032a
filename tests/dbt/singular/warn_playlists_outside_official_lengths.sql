-- The official rules say 5 to 250 tracks. A warning, not an error: one real playlist is known to be longer.
{{ config(severity='warn') }}

select
    pid,
    num_tracks
from {{ ref('playlists') }}
where num_tracks not between 5 and 250
