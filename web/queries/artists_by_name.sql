-- Artists whose name begins with a text, whatever its case, those in most playlists first.
select
    artist_uri,
    artist_name,
    artist_score,
    artist_rank,
    stage,
    reach,
    playlist_appearances,
    cluster_name
from insights.artist_performance
where
    lower(artist_name) like
    replace(replace(replace(lower(:prefix), '\', '\\'), '%', '\%'), '_', '\_') || '%'
order by playlist_appearances desc, artist_uri asc
limit :limit
