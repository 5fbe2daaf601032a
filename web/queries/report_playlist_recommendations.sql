select *
from insights.playlist_recommendations
where (cast(:recommendation as text) is null or recommendation = :recommendation)
order by priority_score desc, log_gap desc, pid asc, recommendation asc
