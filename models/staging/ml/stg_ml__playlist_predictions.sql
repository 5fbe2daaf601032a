-- Lineage: the Python step predicts from this feature view.
-- depends_on: {{ ref('playlist_features') }}
select
    run_id,
    pid,
    predicted_followers,
    interval_low,
    interval_high,
    confidence_score,
    is_held_out,
    predicted_at
from {{ source('ml', 'playlist_predictions') }}
