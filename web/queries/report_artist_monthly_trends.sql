select *
from insights.artist_monthly_trends
where (cast(:artist_id as text) is null or artist_uri = :artist_id)
order by artist_id, modified_month
