{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'primary_key': ['pid', 'version']},
    indexes=[{'columns': ['followers_change']}],
    pre_hook=["{{ forget_changed('pid') }}"],
    post_hook=["{{ remember_slices() }}"],
) }}

with known as (

    select * from {{ ref('int_playlist_versions_titled') }}
    {% if is_incremental() %}
        where pid in (select changed.pid from changed)
    {% endif %}

),

several as (

    select pid
    from known
    group by pid
    having count(*) > 1

),

versions as (

    select landed.*
    from known
    inner join several on known.pid = several.pid
    inner join {{ ref('stg_mpd__playlist_versions') }} as landed
        on known.pid = landed.pid and known.slice_id = landed.slice_id

),

numbered as (

    select
        *,
        row_number() over (partition by pid order by slice_id) as version,
        count(*) over (partition by pid) as versions,
        lag(num_followers) over (partition by pid order by slice_id) as followers_before,
        lag(track_ids) over (partition by pid order by slice_id) as track_ids_before
    from versions

)

select
    pid,
    version::integer as version,
    slice_id,
    playlist_name as name,
    version = versions as is_current,
    num_followers,
    num_followers::bigint - followers_before as followers_change,
    100.0::double precision * (num_followers::bigint - followers_before) / followers_before as followers_change_pct,
    cardinality(track_ids) as num_tracks,
    case
        when track_ids_before is not null then {{ count_beyond('track_ids', 'track_ids_before') }}
    end as tracks_added,
    case
        when track_ids_before is not null then {{ count_beyond('track_ids_before', 'track_ids') }}
    end as tracks_removed,
    modified_at,
    landed_at
from numbered
