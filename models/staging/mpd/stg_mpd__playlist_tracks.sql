select
    playlists.pid,
    tracks.pos,
    tracks.track_uri,
    tracks.track_name,
    tracks.album_uri,
    tracks.album_name,
    tracks.artist_uri,
    tracks.artist_name,
    tracks.duration_ms
from {{ source('mpd', 'playlists') }} as playlists
cross join
    lateral jsonb_to_recordset(playlists.doc -> 'tracks')
        as tracks (
            pos integer,
            track_uri text,
            track_name text,
            album_uri text,
            album_name text,
            artist_uri text,
            artist_name text,
            duration_ms integer
        )
where playlists.superseded_at is null
