-- Lineage: the importances are of a model that was fitted on these features.
-- depends_on: {{ ref('playlist_features') }}
select
    run_id,
    method,
    feature,
    importance
from {{ source('ml', 'feature_importances') }}
