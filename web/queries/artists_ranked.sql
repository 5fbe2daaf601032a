select *
from insights.artist_performance
order by artist_rank asc, artist_uri asc
limit :limit offset :offset
