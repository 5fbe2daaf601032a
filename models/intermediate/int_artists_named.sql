{{ config(
    meta={'primary_key': ['artist_id']},
    indexes=[{'columns': ['artist_uri'], 'unique': true}],
) }}

-- An artist should have one name, but nothing in the format holds that. (The combinations are named twice below and not
-- as one CTE: what is read twice would be written out in between.)
with names as (

    select
        artist_id,
        artist_uri,
        artist_name,
        sum(appearances) as appearances
    from {{ ref('int_track_variants_counted') }}
    group by artist_id, artist_uri, artist_name

),

ranked as (

    select
        *,
        row_number() over (
            partition by artist_id
            order by appearances desc, artist_name collate "C" asc
        ) as preference,
        count(*) over (partition by artist_id) as num_names
    from names

),

tracks as (

    select distinct
        artist_id,
        track_id
    from {{ ref('int_track_variants_counted') }}

),

track_counts as (

    select
        artist_id,
        count(*) as track_count
    from tracks
    group by artist_id

),

final as (

    select
        ranked.artist_id,
        ranked.artist_uri,
        ranked.artist_name,
        ranked.num_names,
        track_counts.track_count
    from ranked
    inner join track_counts on ranked.artist_id = track_counts.artist_id
    where ranked.preference = 1

)

select * from final
