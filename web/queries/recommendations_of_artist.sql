select
    recommendation,
    recommendation_rank,
    reason
from insights.artist_recommendations
where artist_uri = :artist_uri
order by recommendation
