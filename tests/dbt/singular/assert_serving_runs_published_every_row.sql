-- A serving run has a result for each row of features that it read: no playlist and no artist is left without.
with published as (

    select
        run_id,
        count(*) as rows_published
    from {{ ref('stg_ml__playlist_predictions') }}
    group by run_id
    union all
    select
        run_id,
        count(*) as rows_published
    from {{ ref('stg_ml__artist_clusters') }}
    group by run_id

)

select
    runs.run_id,
    runs.model_name,
    runs.rows_read,
    published.rows_published
from {{ ref('stg_ml__model_runs') }} as runs
left join published on runs.run_id = published.run_id
where runs.is_serving and runs.rows_read != coalesce(published.rows_published, 0)
