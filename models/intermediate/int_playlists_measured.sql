with playlists as (

    select * from {{ ref('stg_mpd__playlists') }}

),

playlist_tracks as (

    select * from {{ ref('int_playlist_tracks_keyed') }}

),

-- Computed from the tracks: hand-edited copies declare other numbers than they hold.
measures as (

    select
        pid,
        count(*) as num_tracks,
        count(distinct track_id) as num_distinct_tracks,
        count(distinct album_id) as num_albums,
        count(distinct artist_id) as num_artists,
        sum(duration_ms) as duration_ms
    from playlist_tracks
    group by pid

),

final as (

    select
        playlists.pid,
        playlists.slice_id,
        playlists.playlist_name,
        playlists.description,
        playlists.is_collaborative,
        playlists.num_followers,
        playlists.num_edits,
        measures.num_tracks::integer as num_tracks,
        measures.num_distinct_tracks::integer as num_distinct_tracks,
        measures.num_albums::integer as num_albums,
        measures.num_artists::integer as num_artists,
        measures.duration_ms::bigint as duration_ms,
        playlists.declared_num_tracks,
        playlists.declared_num_albums,
        playlists.declared_num_artists,
        playlists.declared_duration_ms,
        playlists.modified_at,
        playlists.landed_at
    from playlists
    inner join measures on playlists.pid = measures.pid

)

select * from final
