-- What serves has a result for each row of features that the training read: no playlist and no artist is left without.
-- What was scored with its model since may have added some.
with results as (

    select
        'playlist_popularity' as model_name,
        count(*) as rows_serving
    from {{ ref('stg_ml__serving_predictions') }}
    union all
    select
        'artist_trends' as model_name,
        count(*) as rows_serving
    from {{ ref('stg_ml__serving_clusters') }}

)

select
    runs.run_id,
    runs.model_name,
    runs.rows_read,
    results.rows_serving
from {{ ref('stg_ml__model_runs') }} as runs
left join results on runs.model_name = results.model_name
where runs.is_serving and runs.rows_read > coalesce(results.rows_serving, 0)
