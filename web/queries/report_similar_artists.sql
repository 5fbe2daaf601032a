select *
from insights.similar_artists
where (cast(:artist_id as text) is null or artist_uri = :artist_id)
order by artist_uri, similarity_rank
