-- Each position has its playlist, track, album and artist in the other marts, in one pass since the table is large.
-- Looked at are the playlists that the table took in last; assert_marts_count_the_same_positions compares all.
with new_playlists as (

    {{ newly_built_playlists(ref('playlist_tracks')) }}

),

-- Far fewer than positions.
referred_to as (

    select distinct
        playlist_tracks.track_id,
        playlist_tracks.album_id,
        playlist_tracks.artist_id
    from new_playlists
    inner join {{ ref('playlist_tracks') }} as playlist_tracks on new_playlists.pid = playlist_tracks.pid

)

select
    referred_to.track_id,
    referred_to.album_id,
    referred_to.artist_id,
    null::integer as pid
from referred_to
left join {{ ref('tracks') }} as tracks on referred_to.track_id = tracks.track_id
left join {{ ref('albums') }} as albums on referred_to.album_id = albums.album_id
left join {{ ref('artists') }} as artists on referred_to.artist_id = artists.artist_id
where tracks.track_id is null or albums.album_id is null or artists.artist_id is null
union all
select
    null as track_id,
    null as album_id,
    null as artist_id,
    new_playlists.pid
from new_playlists
left join {{ ref('playlists') }} as playlists on new_playlists.pid = playlists.pid
where playlists.pid is null
