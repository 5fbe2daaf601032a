-- They lie together in the table, a tenth of it at most, so that any filter and order of them is quick. Numbers alone
-- are sorted; the rest is looked up for those that are shown.
with chosen as (

    select
        pid,
        case :sorted_by
            when 'gap' then follower_gap
            when 'predicted' then predicted_followers
            when 'followers' then num_followers
            when 'tracks' then num_tracks
            else log_gap
        end as sort_value
    from insights.playlist_performance
    where
        is_underperforming
        and ((:genre)::text is null or genre = (:genre)::text)
        and ((:length_band)::text is null or length_band = (:length_band)::text)
        and ((:comparable_group)::text is null or comparable_group = (:comparable_group)::text)
        and starts_with(normalised_title, (:prefix)::text)
    order by sort_value desc, pid asc
    limit :limit

)

select
    playlists.pid,
    playlists.name,
    playlists.num_followers,
    playlists.predicted_followers,
    playlists.follower_gap,
    (1 + playlists.predicted_followers) / (1 + playlists.num_followers::double precision) as times_behind,
    playlists.num_tracks,
    playlists.comparable_group,
    recommendations.action,
    recommendations.expected_gain_pct
from chosen
inner join insights.playlist_performance as playlists on chosen.pid = playlists.pid
left join insights.playlist_recommendations as recommendations
    on chosen.pid = recommendations.pid and recommendations.recommendation_rank = 1
order by chosen.sort_value desc, chosen.pid asc
