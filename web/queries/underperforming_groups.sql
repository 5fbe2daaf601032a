select
    comparable_group,
    genre,
    length_band,
    min(num_tracks) as shortest,
    count(*) as playlists
from insights.playlist_performance
where is_underperforming
group by comparable_group, genre, length_band
order by shortest, comparable_group
