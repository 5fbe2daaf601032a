-- The index has the tracks of an artist by appearances: those in most playlists are among the first two hundred.
with most_listed as (

    select
        track_id,
        track_name,
        duration_minutes,
        playlist_appearances,
        track_appearances
    from marts.tracks
    where artist_id = :artist_id
    order by track_appearances desc
    limit 200

),

shown as (

    select * from most_listed
    order by playlist_appearances desc, track_id asc
    limit :limit

)

select
    shown.track_name,
    shown.duration_minutes,
    shown.playlist_appearances,
    shown.track_appearances,
    journeys.share_in_first_ten_pct,
    100 * journeys.avg_relative_position as avg_position_pct,
    journeys.last_seen_at::date as last_seen
from shown
left join insights.track_journeys as journeys on shown.track_id = journeys.track_id
order by shown.playlist_appearances desc, shown.track_id asc
