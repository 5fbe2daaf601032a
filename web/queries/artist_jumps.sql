-- A jump is rare: the table of all of them is small.
select
    artist_uri,
    artist_name,
    to_char(modified_month, 'YYYY-MM') as month,
    direction,
    stage,
    movement,
    playlists,
    expected_playlists,
    share_pct,
    earlier_share_pct,
    reason
from insights.artist_jumps
order by modified_month desc, abs(movement) desc, artist_uri asc
limit :limit
