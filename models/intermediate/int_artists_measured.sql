with playlist_tracks as (

    select * from {{ ref('int_playlist_tracks_keyed') }}

),

playlists as (

    select * from {{ ref('int_playlists_measured') }}

),

artists as (

    select * from {{ ref('int_artists_named') }}

),

-- An artist with ten tracks in a playlist appears there once.
appearances as (

    select
        pid,
        artist_id,
        count(*) as track_rows
    from playlist_tracks
    group by pid, artist_id

),

measures as (

    select
        appearances.artist_id,
        count(*) as playlist_appearances,
        sum(appearances.track_rows) as track_appearances,
        sum(playlists.num_followers) as followers,
        percentile_cont(0.5) within group (order by playlists.num_followers) as median_followers
    from appearances
    inner join playlists on appearances.pid = playlists.pid
    group by appearances.artist_id

),

final as (

    select
        artists.artist_id,
        artists.artist_uri,
        artists.artist_name,
        measures.playlist_appearances::integer as playlist_appearances,
        measures.track_appearances::bigint as track_appearances,
        artists.track_count::integer as track_count,
        measures.followers::double precision / measures.playlist_appearances as avg_followers,
        measures.median_followers
    from artists
    inner join measures on artists.artist_id = measures.artist_id

)

select * from final
