select *
from marts.playlists
where genre = :genre
order by num_followers desc, pid asc
limit :limit offset :offset
