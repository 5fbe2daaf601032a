select
    artist_uri as artist_id,
    artist_name,
    cluster_id,
    similarity_score
from marts.artists
where artist_uri = :artist_uri
