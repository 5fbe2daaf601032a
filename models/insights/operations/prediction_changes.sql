with thresholds as (

    select
        max(threshold_value) filter (where threshold = 'prediction_moved_ratio') as moved_ratio,
        max(threshold_value) filter (where threshold = 'prediction_changes_shown') as shown
    from {{ ref('recommendation_thresholds') }}

),

-- Cut to the first before they are numbered: those are found in one pass, with nothing sorted but them.
largest as (

    select *
    from {{ ref('int_predictions_compared') }}
    where
        greatest(predicted_ratio, 1 / predicted_ratio) >= (select thresholds.moved_ratio from thresholds)
    order by greatest(predicted_ratio, 1 / predicted_ratio) desc, pid asc
    limit (select thresholds.shown::bigint from thresholds)

)

select
    largest.pid,
    playlists.name,
    playlists.num_followers,
    largest.previous_predicted_followers,
    largest.predicted_followers,
    largest.predicted_ratio,
    row_number() over (
        order by greatest(largest.predicted_ratio, 1 / largest.predicted_ratio) desc, largest.pid asc
    ) as change_rank,
    largest.run_id,
    largest.previous_run_id
from largest
-- A playlist may have gone since.
left join {{ ref('playlists') }} as playlists on largest.pid = playlists.pid
