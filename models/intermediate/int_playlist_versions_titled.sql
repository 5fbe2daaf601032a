{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'primary_key': ['pid', 'slice_id']},
    indexes=[{'columns': ['slice_id']}],
    post_hook=["analyze {{ this }}"],
) }}

-- The first of the models that are built slice by slice, and the measure of the others: what is here is in the build.
-- By its statistics the planner knows how few versions are new to them.
with versions as (

    select
        version_id,
        pid,
        slice_id,
        {{ normalised_title('playlist_name') }} as normalised_title
    from {{ ref('stg_mpd__playlist_versions') }}
    {% if is_incremental() %}
        where slice_id not in (select distinct known.slice_id from {{ this }} as known)
    {% endif %}

),

keywords as (

    select * from {{ ref('genre_keywords') }}

),

titles as (

    select distinct normalised_title
    from versions

),

mentions as (

    {{ genres_named() }}

)

select
    versions.version_id,
    versions.pid,
    versions.slice_id,
    versions.normalised_title,
    mentions.genre
from versions
left join mentions
    on
        versions.normalised_title = mentions.normalised_title
        and mentions.preference = 1
