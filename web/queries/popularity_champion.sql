-- What serves, on the same held-out playlists.
select
    runs.champion,
    metrics.metric,
    metrics.scale,
    metrics.value as metric_value
from ml.model_runs as runs
inner join ml.model_metrics as metrics on runs.run_id = metrics.run_id and runs.champion = metrics.candidate
where runs.serving and runs.model = 'playlist_popularity' and metrics.split = 'test'
order by metrics.metric, metrics.scale
