-- Some artists of each cluster, as good as drawn by lot: an artist_id is a hash.
select
    sampled.artist_name as name,
    clusters.cluster_id,
    clusters.cluster_name,
    sampled.playlist_appearances,
    sampled.avg_followers
from insights.cluster_profiles as clusters
cross join
    lateral (
        select
            artists.artist_name,
            artists.playlist_appearances,
            artists.avg_followers
        from insights.artist_performance as artists
        where artists.cluster_id = clusters.cluster_id
        order by artists.artist_id
        limit :limit
    ) as sampled
order by clusters.cluster_id
