select
    cluster_id,
    cluster_name,
    cluster_description,
    num_artists,
    share_of_artists_pct,
    share_of_tracks_pct,
    avg_playlist_appearances,
    median_playlist_appearances,
    avg_followers,
    median_followers,
    avg_track_count,
    median_track_count,
    comparison,
    best_artists
from insights.cluster_profiles
order by num_artists desc, cluster_id asc
