select *
from insights.artist_performance
where
    (cast(:cluster_id as integer) is null or cluster_id = :cluster_id)
    and (cast(:stage as text) is null or stage = :stage)
order by artist_rank, artist_uri
