select
    recommendation_rank,
    recommendation,
    action,
    current_value,
    suggested_value,
    unit,
    reason,
    expected_gain,
    expected_gain_pct,
    gain_standard_error,
    evidence,
    weak_playlists,
    other_playlists
from insights.playlist_recommendations
where pid = :pid
order by recommendation_rank
