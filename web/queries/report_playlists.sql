select *
from marts.playlists
where (cast(:genre as text) is null or genre = :genre)
order by pid
