select
    genre,
    playlists,
    share_of_playlists_pct,
    share_of_named_pct,
    usual_title,
    followers,
    avg_followers,
    median_followers,
    tracks,
    artists,
    median_tracks,
    median_artists,
    median_duration_min,
    top_artist_uri,
    top_artist_name,
    top_artist_playlists
from insights.genres
order by playlists desc, genre asc
