-- Those that rose or fell most in the last month, among artists of their stage.
(
    select
        artist_uri,
        artist_name,
        stage,
        movement,
        playlists,
        expected_playlists,
        all_playlists,
        modified_month
    from insights.artist_movements
    where modified_month = (select max(latest.modified_month) from insights.artist_movements as latest)
    order by movement desc
    limit :limit
)
union
(
    select
        artist_uri,
        artist_name,
        stage,
        movement,
        playlists,
        expected_playlists,
        all_playlists,
        modified_month
    from insights.artist_movements
    where modified_month = (select max(latest.modified_month) from insights.artist_movements as latest)
    order by movement asc
    limit :limit
)
order by movement desc, artist_uri asc
