select *
from insights.genre_monthly_trends
where (cast(:genre as text) is null or genre = :genre)
order by genre, modified_month
