select *
from marts.playlists
order by num_followers desc, pid asc
limit :limit offset :offset
