select
    to_char(modified_month, 'YYYY-MM') as month,
    direction,
    movement,
    reason
from insights.artist_jumps
where artist_uri = :artist_uri
order by modified_month desc
