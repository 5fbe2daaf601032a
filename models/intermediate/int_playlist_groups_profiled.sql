with playlists as (

    select * from {{ ref('int_playlists_banded') }}

),

thresholds as (

    select max(threshold_value) filter (where threshold = 'min_comparable_playlists') as min_playlists
    from {{ ref('recommendation_thresholds') }}

),

-- All of a length, and of these the ones of each genre that has enough of them.
members as (

    select
        playlists.length_band,
        null as genre,
        playlists.artists_per_track,
        playlists.avg_track_duration_ms
    from playlists
    union all
    select
        playlists.length_band,
        playlists.genre,
        playlists.artists_per_track,
        playlists.avg_track_duration_ms
    from playlists
    where playlists.genre is not null

),

profiles as (

    select
        length_band,
        genre,
        count(*) as playlists,
        percentile_cont(0.5) within group (order by artists_per_track) as median_artists_per_track,
        percentile_cont(0.5) within group (order by avg_track_duration_ms) as median_avg_track_duration_ms
    from members
    group by length_band, genre

)

select
    coalesce(profiles.genre || ' ', '') || 'playlists of ' || profiles.length_band || ' tracks' as comparable_group,
    profiles.length_band,
    profiles.genre,
    bands.min_tracks,
    bands.max_tracks,
    profiles.playlists,
    profiles.median_artists_per_track,
    profiles.median_avg_track_duration_ms
from profiles
inner join {{ ref('length_bands') }} as bands on profiles.length_band = bands.length_band
cross join thresholds
where profiles.genre is null or profiles.playlists >= thresholds.min_playlists
