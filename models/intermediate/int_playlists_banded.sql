{{ config(materialized='view') }}

with playlists as (

    select * from {{ ref('int_playlists_measured') }}

),

-- Bands are looked up once for each number that occurs, not once for each playlist.
lengths as (

    select
        numbers.num_tracks,
        bands.length_band
    from (select distinct num_tracks from {{ ref('int_playlists_measured') }}) as numbers
    inner join {{ ref('length_bands') }} as bands
        on numbers.num_tracks between bands.min_tracks and bands.max_tracks

),

followers as (

    select
        numbers.num_followers,
        bands.follower_band,
        -- Whole millionths, so that sums and squares are exact in whatever order they are added up.
        round(1000000 * ln(1 + numbers.num_followers::double precision))::integer as log_followers_millionths
    from (select distinct num_followers from {{ ref('int_playlists_measured') }}) as numbers
    inner join {{ ref('follower_bands') }} as bands
        on numbers.num_followers between bands.min_followers and bands.max_followers

)

select
    playlists.*,
    lengths.length_band,
    followers.follower_band,
    followers.log_followers_millionths,
    playlists.num_tracks - playlists.num_distinct_tracks as duplicate_tracks,
    coalesce(playlists.description, '') != '' as has_description,
    playlists.num_artists::double precision / playlists.num_tracks as artists_per_track,
    playlists.duration_ms::double precision / playlists.num_tracks as avg_track_duration_ms
from playlists
inner join lengths on playlists.num_tracks = lengths.num_tracks
inner join followers on playlists.num_followers = followers.num_followers
