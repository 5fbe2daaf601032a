-- Lineage: the Python step predicts from this feature view.
-- depends_on: {{ ref('playlist_features') }}
select
    run_id,
    pid,
    predicted_followers,
    is_held_out,
    predicted_at
from {{ source('ml', 'playlist_predictions') }}
