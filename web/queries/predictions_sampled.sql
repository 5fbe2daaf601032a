-- A thousand playlists that the model was not fitted on, the same each time: every so many-th pid is looked up.
with numbered as (

    select
        min(pid) as lowest,
        max(pid) as highest
    from marts.playlists

),

drawn as (

    select generate_series(lowest, highest, greatest(1, (highest - lowest) / 5000)) as pid
    from numbered

)

select
    playlists.pid,
    playlists.name,
    playlists.num_followers as actual,
    playlists.predicted_followers as predicted
from drawn
inner join ml.playlist_predictions as predictions
    on
        predictions.run_id = (
            select trainings.run_id
            from ml.model_runs as trainings
            where trainings.serving and trainings.model = 'playlist_popularity'
        )
        and drawn.pid = predictions.pid
inner join marts.playlists on drawn.pid = playlists.pid
where predictions.is_held_out and playlists.predicted_followers is not null
