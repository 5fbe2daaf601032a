{{ config(
    meta={'primary_key': ['artist_uri']},
) }}

select
    artist_uri,
    artist_name,
    playlist_appearances,
    track_appearances,
    track_count,
    avg_followers,
    median_followers,
    rank() over (order by playlist_appearances desc) as appearances_rank,
    percent_rank() over (order by playlist_appearances) as appearances_percentile,
    percent_rank() over (order by avg_followers) as followers_percentile,
    cluster_id,
    cluster_name,
    similarity_score,
    last_processed
from {{ ref('artists') }}
