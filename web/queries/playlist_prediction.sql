select
    pid as playlist_id,
    predicted_followers,
    predicted_low as interval_low,
    predicted_high as interval_high,
    confidence_score,
    num_followers,
    last_processed as predicted_at
from marts.playlists
where pid = :pid
