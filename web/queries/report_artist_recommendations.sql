select *
from insights.artist_recommendations
where (cast(:recommendation as text) is null or recommendation = :recommendation)
order by recommendation, recommendation_rank
