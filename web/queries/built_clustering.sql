-- The training that the marts have the clusters of.
select
    performance.run_id,
    runs.champion
from insights.model_performance as performance
inner join ml.model_runs as runs on performance.run_id = runs.run_id
where performance.is_serving and performance.model_name = 'artist_trends'
order by performance.run_id
limit 1
