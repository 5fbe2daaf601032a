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

)

select
    most_listed.track_name,
    most_listed.duration_minutes,
    most_listed.playlist_appearances,
    most_listed.track_appearances,
    journeys.share_in_first_ten_pct,
    100 * journeys.avg_relative_position as avg_position_pct,
    journeys.last_seen_at::date as last_seen
from most_listed
left join insights.track_journeys as journeys on most_listed.track_id = journeys.track_id
order by most_listed.playlist_appearances desc, most_listed.track_id asc
limit :limit
