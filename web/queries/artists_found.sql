-- Artists whose name begins so, whatever its case, those in most playlists first.
select *
from insights.artist_performance
where
    lower(artist_name) like
    replace(replace(replace(lower(:q), '\', '\\'), '%', '\%'), '_', '\_') || '%'
order by playlist_appearances desc, artist_uri asc
limit :limit offset :offset
