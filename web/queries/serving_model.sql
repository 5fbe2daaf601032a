select
    run_id,
    champion
from ml.model_runs
where serving and model = :model
