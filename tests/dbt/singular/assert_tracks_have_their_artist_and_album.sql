-- Each track has its artist and its album, in one pass.
select tracks.track_uri
from {{ ref('tracks') }} as tracks
left join {{ ref('artists') }} as artists on tracks.artist_id = artists.artist_id
left join {{ ref('albums') }} as albums on tracks.album_id = albums.album_id
where artists.artist_id is null or albums.album_id is null
