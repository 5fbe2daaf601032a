with trainings as (

    select * from {{ ref('int_trainings_compared') }}

),

thresholds as (

    select max(threshold_value) filter (where threshold = 'prediction_moved_ratio') as moved_ratio
    from {{ ref('recommendation_thresholds') }}

),

compared as (

    select
        'playlist_popularity' as model_name,
        count(*) as rows_in_both,
        count(*) filter (where predictions.predicted_ratio >= thresholds.moved_ratio) as rows_moved_up,
        count(*) filter (where predictions.predicted_ratio <= 1 / thresholds.moved_ratio) as rows_moved_down
    from {{ ref('int_predictions_compared') }} as predictions
    cross join thresholds

    union all

    select
        'artist_trends' as model_name,
        coalesce(sum(num_artists), 0)::bigint as rows_in_both,
        null as rows_moved_up,
        null as rows_moved_down
    from {{ ref('cluster_changes') }}

),

moves as (

    select coalesce(sum(num_artists), 0)::bigint as artists_moved
    from {{ ref('cluster_changes') }}
    where is_move

)

select
    trainings.model_name,
    trainings.run_id,
    trainings.previous_run_id,
    trainings.champion,
    trainings.previous_champion,
    trainings.rows_read,
    trainings.previous_rows_read,
    compared.rows_in_both,
    trainings.rows_read - compared.rows_in_both as rows_added,
    trainings.previous_rows_read - compared.rows_in_both as rows_gone,
    coalesce(compared.rows_moved_up + compared.rows_moved_down, moves.artists_moved) as rows_moved,
    compared.rows_moved_up,
    compared.rows_moved_down,
    thresholds.moved_ratio,
    trainings.finished_at,
    trainings.previous_finished_at
from trainings
inner join compared on trainings.model_name = compared.model_name
cross join moves
cross join thresholds
