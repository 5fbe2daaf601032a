-- Playlists that landed after the serving model scored. A warning, not an error: they are scored by the next
-- training, and a build between a load and a training is a normal state.
{{ config(severity='warn') }}

select playlists.pid
from {{ ref('playlists') }} as playlists
where
    playlists.predicted_followers is null
    and exists (
        select 1 from {{ ref('stg_ml__model_runs') }} as runs
        where runs.is_serving and runs.model_name = 'playlist_popularity'
    )
