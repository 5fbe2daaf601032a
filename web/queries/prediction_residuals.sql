select
    follower_band,
    min_followers,
    max_followers,
    num_playlists,
    share_of_playlists_pct,
    lower_quartile_ratio,
    median_ratio,
    upper_quartile_ratio,
    usual_error
from insights.prediction_residuals
order by min_followers
