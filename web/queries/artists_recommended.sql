select
    artist_uri,
    artist_name,
    recommendation,
    recommendation_rank,
    artist_score,
    stage,
    reach,
    cluster_name,
    playlist_appearances,
    avg_followers,
    median_followers,
    reason
from insights.artist_recommendations
where recommendation = :recommendation
order by recommendation_rank
limit :limit
