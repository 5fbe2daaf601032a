select
    playlist_tracks.pos,
    tracks.track_name,
    artists.artist_name,
    artists.artist_uri,
    albums.album_name,
    tracks.duration_ms,
    tracks.playlist_appearances
from marts.playlist_tracks
inner join marts.tracks on playlist_tracks.track_id = tracks.track_id
inner join marts.artists on playlist_tracks.artist_id = artists.artist_id
inner join marts.albums on playlist_tracks.album_id = albums.album_id
where playlist_tracks.pid = :pid
order by playlist_tracks.pos
