-- A few dozen genres and a few dozen months: all of it.
select
    genre,
    modified_month as month,
    playlists,
    month_playlists,
    share_pct,
    share_before_pct,
    share_year_before_pct,
    expected_playlists,
    change_pct,
    trend_score,
    direction
from insights.genre_monthly_trends
order by genre, modified_month
