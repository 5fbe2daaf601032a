with playlists as (

    select * from {{ ref('int_playlists_compared') }}

),

profiles as (

    select * from {{ ref('int_playlist_groups_profiled') }}

),

thresholds as (

    select
        max(threshold_value) filter (where threshold = 'min_side_playlists') as min_playlists,
        max(threshold_value) filter (where threshold = 'clear_gain_standard_errors') as clear_standard_errors
    from {{ ref('recommendation_thresholds') }}

),

-- One pass over the playlists; what follows works on a few rows a group.
cells as (

    select
        comparable_group,
        has_few_artists,
        track_length,
        is_collaborative,
        has_description,
        has_repeated_tracks,
        count(*) as playlists,
        sum(log_followers_millionths) as total,
        sum(log_followers_millionths::bigint * log_followers_millionths) as total_of_squares
    from playlists
    group by
        comparable_group,
        has_few_artists,
        track_length,
        is_collaborative,
        has_description,
        has_repeated_tracks

),

neighbours as (

    select
        profiles.comparable_group,
        others.comparable_group as other_group,
        case when others.min_tracks > profiles.max_tracks then 'nearly_longer' else 'nearly_shorter' end as weakness
    from profiles
    inner join profiles as others
        on
            profiles.genre is not distinct from others.genre
            and (others.min_tracks - 1 = profiles.max_tracks or others.max_tracks = profiles.min_tracks - 1)

),

{% set sides = {
    'few_artists': ('has_few_artists', 'has_few_artists is not null'),
    'long_tracks': ("track_length = 'long'", "track_length != 'short'"),
    'short_tracks': ("track_length = 'short'", "track_length != 'long'"),
    'collaborative': ('is_collaborative', 'true'),
    'no_description': ('not has_description', 'true'),
    'repeated_tracks': ('has_repeated_tracks', 'true'),
} -%}
sides as (

    {% for weakness, (is_weak, is_compared) in sides.items() -%}
        select
            comparable_group,
            '{{ weakness }}' as weakness,
            {{ is_weak }} as is_weak,
            playlists,
            total,
            total_of_squares
        from cells
        where {{ is_compared }}
        union all
    {% endfor -%}
    select
        neighbours.comparable_group,
        neighbours.weakness,
        cells.comparable_group = neighbours.comparable_group as is_weak,
        cells.playlists,
        cells.total,
        cells.total_of_squares
    from neighbours
    inner join cells on cells.comparable_group in (neighbours.comparable_group, neighbours.other_group)

),

moments as (

    select
        comparable_group,
        weakness,
        is_weak,
        sum(playlists)::bigint as playlists,
        (sum(total) / sum(playlists) / 1000000)::double precision as mean,
        (
            (sum(total_of_squares) - sum(total) * sum(total) / sum(playlists))
            / nullif(sum(playlists) - 1, 0) / 1000000000000
        )::double precision as variance
    from sides
    group by comparable_group, weakness, is_weak

),

contrasts as (

    select
        weak.comparable_group,
        weak.weakness,
        weak.playlists as weak_playlists,
        coalesce(others.playlists, 0) as other_playlists,
        case
            when weak.playlists >= thresholds.min_playlists and others.playlists >= thresholds.min_playlists
                then others.mean - weak.mean
        end as expected_gain,
        case
            when weak.playlists >= thresholds.min_playlists and others.playlists >= thresholds.min_playlists
                then sqrt(weak.variance / weak.playlists + others.variance / others.playlists)
        end as gain_standard_error,
        thresholds.clear_standard_errors
    from moments as weak
    left join moments as others
        on
            weak.comparable_group = others.comparable_group
            and weak.weakness = others.weakness
            and not others.is_weak
    cross join thresholds
    where weak.is_weak

)

select
    comparable_group,
    weakness,
    weak_playlists,
    other_playlists,
    expected_gain,
    gain_standard_error,
    case
        when expected_gain is null then 'none'
        when expected_gain <= 0 then 'against'
        when expected_gain >= clear_standard_errors * gain_standard_error then 'clear'
        else 'unclear'
    end as evidence
from contrasts
