{{ config(materialized='view') }}

with runs as (

    select * from {{ ref('stg_ml__model_runs') }}
    where status = 'succeeded' and model_name = 'playlist_popularity' and scored_with_run_id is null

),

-- Training has measured it on the playlists that it held out: here it is put side by side.
metrics as (

    select
        *,
        nullif(replace(split, 'test', ''), '') as part
    from {{ ref('stg_ml__model_metrics') }}
    where candidate is not null and split like 'test%'

),

measured as (

    select
        runs.run_id,
        replace(metrics.part, '_tenth_', '')::integer as tenth,
        max(metrics.metric_value) filter (
            where metrics.metric = 'interval_coverage' and metrics.candidate = runs.champion
        ) as coverage,
        max(metrics.metric_value) filter (
            where metrics.metric = 'interval_coverage_one_less' and metrics.candidate = runs.champion
        ) as coverage_one_less,
        max(metrics.metric_value) filter (
            where metrics.metric = 'interval_width' and metrics.candidate = runs.champion
        ) as avg_width,
        max(metrics.metric_value) filter (
            where metrics.metric = 'interval_coverage' and metrics.candidate = 'constant_interval'
        ) as constant_coverage,
        max(metrics.metric_value) filter (
            where metrics.metric = 'interval_width' and metrics.candidate = 'constant_interval'
        ) as constant_width,
        max(metrics.metric_value) filter (where metrics.metric = 'followers_predicted') as avg_predicted_followers,
        max(metrics.metric_value) filter (where metrics.metric = 'followers_observed') as avg_followers,
        max(metrics.metric_value) filter (where metrics.metric = 'confidence_predicted') as confidence,
        max(metrics.metric_value) filter (where metrics.metric = 'confidence_observed') as within_factor_two
    from runs
    inner join metrics on runs.run_id = metrics.run_id
    group by runs.run_id, metrics.part

),

statements as (

    select
        measured.run_id,
        'interval' as statement,
        measured.tenth,
        runs.interval_coverage as stated_share,
        measured.coverage as observed_share,
        measured.coverage_one_less as observed_share_one_less,
        measured.avg_width,
        measured.constant_coverage as constant_observed_share,
        measured.constant_width,
        measured.avg_predicted_followers,
        measured.avg_followers
    from measured
    inner join runs on measured.run_id = runs.run_id

    union all

    select
        run_id,
        'confidence' as statement,
        tenth,
        confidence as stated_share,
        within_factor_two as observed_share,
        null as observed_share_one_less,
        null as avg_width,
        null as constant_observed_share,
        null as constant_width,
        null as avg_predicted_followers,
        null as avg_followers
    from measured

)

select
    runs.run_id,
    statements.statement,
    statements.tenth,
    runs.is_serving,
    statements.stated_share,
    statements.observed_share,
    statements.observed_share_one_less,
    statements.avg_width,
    statements.constant_observed_share,
    statements.constant_width,
    statements.avg_predicted_followers,
    statements.avg_followers,
    runs.finished_at
from runs
inner join statements on runs.run_id = statements.run_id
where statements.observed_share is not null
