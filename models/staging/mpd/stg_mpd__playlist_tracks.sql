with playlists as (

    select * from {{ source('mpd', 'playlists') }}
    where superseded_at is null

)

select
    playlists.pid,
    tracks.pos::integer - 1 as pos,
    'spotify:track:' || tracks.track_id as track_uri,
    tracks.track_name,
    'spotify:album:' || tracks.album_id as album_uri,
    tracks.album_name,
    'spotify:artist:' || tracks.artist_id as artist_uri,
    tracks.artist_name,
    tracks.duration_ms
from playlists
cross join
    lateral unnest(
        playlists.track_ids,
        playlists.track_names,
        playlists.album_ids,
        playlists.album_names,
        playlists.artist_ids,
        playlists.artist_names,
        playlists.track_durations_ms
    ) with ordinality
        as tracks (track_id, track_name, album_id, album_name, artist_id, artist_name, duration_ms, pos)
