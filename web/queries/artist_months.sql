-- Month by month, what is known of an artist: movements have the last two years, trends all of them for those in many
-- playlists.
with movements as (

    select * from insights.artist_movements
    where artist_uri = :artist_uri

),

trends as (

    select * from insights.artist_monthly_trends
    where artist_id = :artist_id

)

select
    coalesce(movements.modified_month, trends.modified_month) as month,
    coalesce(movements.playlists, trends.playlists) as playlists,
    coalesce(movements.expected_playlists, trends.expected_playlists) as expected_playlists,
    coalesce(movements.all_playlists, trends.month_playlists) as month_playlists,
    movements.movement,
    trends.change_pct,
    trends.direction
from movements
full join trends on movements.modified_month = trends.modified_month
order by month
