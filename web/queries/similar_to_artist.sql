select
    similar_artists.similar_artist_uri as artist_uri,
    similar_artists.similar_artist_name as artist_name,
    similar_artists.similarity_rank,
    similar_artists.score,
    similar_artists.lift,
    similar_artists.shared_playlists,
    similar_artists.expected_shared_playlists,
    similar_artists.sample_playlists,
    performance.stage,
    performance.playlist_appearances
from insights.similar_artists as similar_artists
inner join insights.artist_performance as performance on similar_artists.similar_artist_uri = performance.artist_uri
where similar_artists.artist_uri = :artist_uri
order by similar_artists.similarity_rank
