with moves as (

    select
        trainings.run_id,
        trainings.previous_run_id,
        earlier.cluster_id as previous_cluster_id,
        clusters.cluster_id,
        count(*) as num_artists
    from {{ ref('int_trainings_compared') }} as trainings
    inner join {{ ref('stg_ml__artist_clusters') }} as clusters on trainings.run_id = clusters.run_id
    inner join {{ ref('stg_ml__artist_clusters') }} as earlier
        on
            trainings.previous_run_id = earlier.run_id
            and clusters.artist_uri = earlier.artist_uri
    where trainings.model_name = 'artist_trends'
    group by trainings.run_id, trainings.previous_run_id, earlier.cluster_id, clusters.cluster_id

),

profiles as (

    select * from {{ ref('cluster_profiles') }}

)

select
    moves.previous_cluster_id,
    moves.cluster_id,
    -- An id means the same in both; its name is that of now, and an id that is gone has none.
    earlier.cluster_name as previous_cluster_name,
    profiles.cluster_name,
    moves.cluster_id != moves.previous_cluster_id as is_move,
    moves.num_artists,
    (100.0 * moves.num_artists / sum(moves.num_artists) over (partition by moves.previous_cluster_id))::double precision
        as share_of_previous_pct,
    moves.run_id,
    moves.previous_run_id
from moves
left join profiles on moves.cluster_id = profiles.cluster_id
left join profiles as earlier on moves.previous_cluster_id = earlier.cluster_id
