select *
from insights.artist_performance
where cluster_id = :cluster_id
order by artist_rank asc, artist_uri asc
limit :limit offset :offset
