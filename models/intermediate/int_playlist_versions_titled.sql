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

-- A title may name several genres: the one that it names first counts, and of keywords that begin together the longest.
mentions as (

    select
        titles.normalised_title,
        keywords.genre,
        row_number() over (
            partition by titles.normalised_title
            order by
                phrases.place asc,
                phrases.words desc
        ) as preference
    from titles
    cross join {{ phrases_of('titles.normalised_title') }} as phrases
    inner join keywords on phrases.phrase = keywords.keyword

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
