-- Those of a month that are furthest beyond chance, either way.
(
    select
        artist_uri,
        artist_name,
        playlists,
        expected_playlists,
        share_pct,
        share_before_pct,
        share_year_before_pct,
        change_pct,
        trend_score,
        direction
    from insights.artist_monthly_trends
    where modified_month = :month
    order by trend_score desc
    limit :limit
)
union
(
    select
        artist_uri,
        artist_name,
        playlists,
        expected_playlists,
        share_pct,
        share_before_pct,
        share_year_before_pct,
        change_pct,
        trend_score,
        direction
    from insights.artist_monthly_trends
    where modified_month = :month
    order by trend_score asc
    limit :limit
)
order by trend_score desc, artist_uri asc
