-- The ways of clustering that competed in the run that serves.
select
    candidate,
    is_champion,
    max(metric_value) filter (where metric = 'n_clusters') as clusters,
    max(metric_value) filter (where metric = 'largest_share') as largest_share,
    max(metric_value) filter (where metric = 'stability') as stability,
    max(metric_value) filter (where metric = 'silhouette' and scale = 'raw') as silhouette_raw,
    max(metric_value) filter (where metric = 'silhouette' and scale = 'log1p') as silhouette_log,
    max(finished_at) as finished_at
from insights.model_candidates
where model_name = 'artist_trends' and is_serving
group by candidate, is_champion
order by is_champion desc, candidate asc
