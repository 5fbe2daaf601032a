{{ config(
    meta={'primary_key': ['artist_id', 'modified_month']},
    indexes=[{'columns': ['modified_month', 'trend_score']}],
) }}

with thresholds as (

    select threshold_value as min_artist_playlists
    from {{ ref('recommendation_thresholds') }}
    where threshold = 'trend_min_artist_playlists'

),

artists as (

    select measured.*
    from {{ ref('int_artists_measured') }} as measured
    cross join thresholds
    where measured.playlist_appearances >= thresholds.min_artist_playlists

),

counts as (

    select
        cells.artist_id,
        cells.modified_month,
        sum(cells.playlists)::integer as playlists
    from {{ ref('int_artist_playlists_counted') }} as cells
    inner join artists on cells.artist_id = artists.artist_id
    group by cells.artist_id, cells.modified_month

),

trends as (

    {{ monthly_trends('counts', 'artist_id', 'sum(num_artists)') }}

)

select
    trends.artist_id,
    trends.modified_month,
    artists.artist_uri,
    artists.artist_name,
    trends.playlists,
    trends.month_playlists,
    trends.share_pct,
    trends.playlists_before,
    trends.share_before_pct,
    trends.share_year_before_pct,
    trends.expected_playlists,
    trends.change_pct,
    trends.trend_score,
    trends.direction
from trends
inner join artists on trends.artist_id = artists.artist_id
