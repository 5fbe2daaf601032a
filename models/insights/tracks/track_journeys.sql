{{ config(
    meta={'primary_key': ['track_id']},
    indexes=[
        {'columns': ['track_uri'], 'unique': true},
        {'columns': ['playlist_appearances']},
        {'columns': ['share_in_first_ten_pct']},
        {'columns': ['last_seen_at']},
    ],
) }}

with tracks as (

    select * from {{ ref('tracks') }}

),

counts as (

    select * from {{ ref('int_track_placements_counted') }}

),

artists as (

    select * from {{ ref('int_artists_named') }}

),

thresholds as (

    select max(threshold_value) filter (where threshold = 'min_track_placements') as min_placements
    from {{ ref('recommendation_thresholds') }}

)

select
    tracks.track_id,
    tracks.track_uri,
    tracks.artist_uri,
    tracks.track_name,
    artists.artist_name,
    tracks.playlist_appearances,
    counts.placements,
    100.0::double precision * counts.first_ten_placements / counts.placements as share_in_first_ten_pct,
    counts.positions_millionths / 1000000.0::double precision / counts.placements as avg_relative_position,
    100.0::double precision * counts.short_list_placements / counts.placements as share_in_short_lists_pct,
    100.0::double precision * counts.long_list_placements / counts.placements as share_in_long_lists_pct,
    counts.first_seen_at,
    counts.last_seen_at
from counts
inner join tracks on counts.track_id = tracks.track_id
inner join artists on tracks.artist_id = artists.artist_id
cross join thresholds
where counts.placements >= thresholds.min_placements
