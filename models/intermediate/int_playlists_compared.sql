{{ config(
    meta={'primary_key': ['pid', 'comparable_group']},
) }}

with playlists as (

    select * from {{ ref('int_playlists_banded') }}

),

profiles as (

    select * from {{ ref('int_playlist_groups_profiled') }}

),

thresholds as (

    select
        max(threshold_value) filter (where threshold = 'diversity_shortfall') as diversity_shortfall,
        max(threshold_value) filter (where threshold = 'duration_deviation') as duration_deviation
    from {{ ref('recommendation_thresholds') }}

)

select
    playlists.pid,
    profiles.comparable_group,
    profiles.genre is not null or by_genre.comparable_group is null as is_closest,
    -- Neither false nor true for one between those that fall short and those that others are to be like.
    case
        when playlists.artists_per_track < profiles.median_artists_per_track * (1 - thresholds.diversity_shortfall)
            then true
        when playlists.artists_per_track >= profiles.median_artists_per_track then false
    end as has_few_artists,
    case
        when
            playlists.avg_track_duration_ms
            > profiles.median_avg_track_duration_ms * (1 + thresholds.duration_deviation)
            then 'long'
        when
            playlists.avg_track_duration_ms
            < profiles.median_avg_track_duration_ms * (1 - thresholds.duration_deviation)
            then 'short'
        else 'usual'
    end as track_length,
    playlists.is_collaborative,
    playlists.has_description,
    playlists.duplicate_tracks > 0 as has_repeated_tracks,
    playlists.log_followers_millionths
from playlists
inner join profiles
    on
        playlists.length_band = profiles.length_band
        and (profiles.genre is null or playlists.genre = profiles.genre)
left join profiles as by_genre
    on
        playlists.length_band = by_genre.length_band
        and playlists.genre = by_genre.genre
cross join thresholds
