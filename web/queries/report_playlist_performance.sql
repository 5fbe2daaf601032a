select *
from insights.playlist_performance
where
    (cast(:genre as text) is null or genre = :genre)
    and (cast(:is_underperforming as boolean) is null or is_underperforming = :is_underperforming)
order by log_gap desc, pid asc
