{{ config(
    meta={'primary_key': ['artist_id']},
) }}

with cells as (

    select * from {{ ref('int_artist_playlists_counted') }}

),

artists as (

    select * from {{ ref('int_artists_named') }}

),

by_followers as (

    select
        artist_id,
        num_followers,
        sum(playlists)::integer as playlists,
        sum(track_appearances) as track_appearances,
        min(modified_month) as first_modified_month,
        max(modified_month) as last_modified_month
    from cells
    group by artist_id, num_followers

),

-- The place of each playlist when those of an artist are ordered by followers, to find the one in the middle.
placed as (

    select
        *,
        sum(playlists) over (partition by artist_id order by num_followers) as place,
        sum(playlists) over (partition by artist_id) as all_playlists
    from by_followers

),

measures as (

    select
        artist_id,
        sum(playlists) as playlist_appearances,
        sum(track_appearances) as track_appearances,
        sum(playlists * num_followers::bigint) as reach,
        -- Of an even number of playlists, the two in the middle.
        (
            min(num_followers::bigint) filter (where 2 * place >= all_playlists)
            + min(num_followers::bigint) filter (where 2 * place > all_playlists)
        ) / 2.0::double precision as median_followers,
        min(first_modified_month) as first_modified_month,
        max(last_modified_month) as last_modified_month
    from placed
    group by artist_id

),

final as (

    select
        artists.artist_id,
        artists.artist_uri,
        artists.artist_name,
        measures.playlist_appearances::integer as playlist_appearances,
        measures.track_appearances::bigint as track_appearances,
        artists.track_count::integer as track_count,
        measures.reach::bigint as reach,
        measures.reach::double precision / measures.playlist_appearances as avg_followers,
        measures.median_followers,
        measures.first_modified_month,
        measures.last_modified_month
    from artists
    inner join measures on artists.artist_id = measures.artist_id

)

select * from final
