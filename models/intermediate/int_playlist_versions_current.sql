{{ config(materialized='view') }}

-- Named twice and not as one CTE: what is read twice is not read in parallel.
select
    versions.version_id,
    versions.pid,
    versions.slice_id,
    versions.normalised_title,
    versions.genre
from {{ ref('int_playlist_versions_titled') }} as versions
where
    not exists (
        select 1 as found
        from {{ ref('int_playlist_versions_titled') }} as later
        where later.pid = versions.pid and later.slice_id > versions.slice_id
    )
