select
    prediction_calibration.statement,
    prediction_calibration.tenth,
    prediction_calibration.stated_share,
    prediction_calibration.observed_share,
    prediction_calibration.constant_observed_share
from insights.prediction_calibration
inner join ml.model_runs on prediction_calibration.run_id = model_runs.run_id
where model_runs.serving and prediction_calibration.tenth is not null
order by prediction_calibration.statement, prediction_calibration.tenth
