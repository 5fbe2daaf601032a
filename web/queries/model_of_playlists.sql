select run_id
from ml.model_runs
where serving and model = 'playlist_popularity'
