select
    artists.artist_id,
    performance.artist_uri,
    performance.artist_name,
    performance.artist_score,
    performance.artist_rank,
    performance.stage,
    performance.reach,
    performance.playlist_appearances,
    performance.track_appearances,
    performance.track_count,
    performance.avg_followers,
    performance.median_followers,
    performance.appearances_rank,
    performance.appearances_percentile,
    performance.followers_percentile,
    performance.cluster_id,
    performance.cluster_name,
    performance.similarity_score,
    performance.last_processed,
    clusters.cluster_description,
    clusters.comparison,
    clusters.num_artists as cluster_artists,
    clusters.median_playlist_appearances as cluster_playlists,
    clusters.median_followers as cluster_followers,
    clusters.median_track_count as cluster_tracks,
    clusters.median_artist_score as cluster_score,
    artists.share_of_playlists_pct,
    artists.first_modified_month,
    artists.last_modified_month,
    overview.artists as all_artists
from insights.artist_performance as performance
inner join marts.artists as artists on performance.artist_uri = artists.artist_uri
cross join insights.overview as overview
left join insights.cluster_profiles as clusters on performance.cluster_id = clusters.cluster_id
where performance.artist_uri = :artist_uri
