select * from insights.overview
