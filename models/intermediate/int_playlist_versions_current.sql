{{ config(materialized='view') }}

with versions as (

    select * from {{ ref('int_playlist_versions_titled') }}

)

select
    pid,
    slice_id,
    normalised_title,
    genre
from versions
where
    not exists (
        select 1 as found
        from versions as later
        where later.pid = versions.pid and later.slice_id > versions.slice_id
    )
