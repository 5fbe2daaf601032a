-- Lineage: the Python step clusters this feature view.
-- depends_on: {{ ref('artist_features') }}
select
    run_id,
    artist_uri,
    cluster_id,
    similarity_score,
    assigned_at
from {{ source('ml', 'artist_clusters') }}
