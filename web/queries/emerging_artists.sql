select
    artist_uri,
    artist_name,
    playlist_appearances,
    avg_followers,
    median_followers,
    reason
from insights.artist_recommendations
where recommendation = 'emerging'
order by recommendation_rank
limit 5
