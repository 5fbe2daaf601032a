-- The first few playlists of each recommendation, those with the largest gain first. The kinds are read off the index,
-- one look-up each.
with recursive kinds as (

    select min(recommendation) as recommendation
    from insights.playlist_recommendations
    union all
    select
        (
            select min(further.recommendation)
            from insights.playlist_recommendations as further
            where further.recommendation > kinds.recommendation
        ) as recommendation
    from kinds
    where kinds.recommendation is not null

)

select
    first_of_each.pid,
    first_of_each.name,
    first_of_each.recommendation,
    first_of_each.action,
    first_of_each.reason,
    first_of_each.evidence,
    first_of_each.expected_gain_pct,
    first_of_each.num_followers,
    first_of_each.predicted_followers,
    first_of_each.is_underperforming
from kinds
cross join
    lateral (
        select advice.*
        from insights.playlist_recommendations as advice
        -- A range and not an equality, so that the index of all three is read: of a rare kind, the index by score alone
        -- would be read to its end.
        where advice.recommendation between kinds.recommendation and kinds.recommendation
        order by advice.recommendation desc, advice.priority_score desc, advice.log_gap desc
        limit 3
    ) as first_of_each
order by first_of_each.priority_score desc, first_of_each.log_gap desc, first_of_each.pid asc
