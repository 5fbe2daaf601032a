-- Names and durations are attributes of the row in the JSON, not of the URI. Every combination that occurs is kept
-- with its weight, so that tracks, albums and artists choose among them by the same rule.
select
    track_uri,
    track_name,
    album_uri,
    album_name,
    artist_uri,
    artist_name,
    duration_ms,
    count(*) as appearances
from {{ ref('stg_mpd__playlist_tracks') }}
group by
    track_uri,
    track_name,
    album_uri,
    album_name,
    artist_uri,
    artist_name,
    duration_ms
