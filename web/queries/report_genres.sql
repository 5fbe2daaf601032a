select *
from insights.genres
order by genre
