with variants as (

    select * from {{ ref('int_track_variants_counted') }}

),

-- An artist should have one name, but nothing in the format holds that.
names as (

    select
        artist_uri,
        artist_name,
        sum(appearances) as appearances
    from variants
    group by artist_uri, artist_name

),

ranked as (

    select
        *,
        row_number() over (
            partition by artist_uri
            order by appearances desc, artist_name asc
        ) as preference,
        count(*) over (partition by artist_uri) as num_names
    from names

),

track_counts as (

    select
        artist_uri,
        count(distinct track_uri) as track_count
    from variants
    group by artist_uri

),

final as (

    select
        {{ entity_id('ranked.artist_uri') }} as artist_id,
        ranked.artist_uri,
        ranked.artist_name,
        ranked.num_names,
        track_counts.track_count
    from ranked
    inner join track_counts on ranked.artist_uri = track_counts.artist_uri
    where ranked.preference = 1

)

select * from final
