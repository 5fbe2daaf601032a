{#-
    The genres of what playlists carry, tracks or artists, by the titles of those playlists. A popular artist is in the
    playlists of every genre, so a share alone misleads: it is set beside the share that the genre has of everything, and
    the genre that exceeds it by most comes first.

    Args:
        counts: A CTE with the key, `genre` and `playlists`, without playlists that name no genre.
        key: What is carried, `track_id` or `artist_id`.
        expected_share: The column of int_genres_measured with the share that the genre has of all that is carried.
-#}
{% macro ranked_genres(counts, key, expected_share) -%}
    with thresholds as (

        select
            max(threshold_value) filter (where threshold = 'genre_min_playlists') as min_playlists,
            max(threshold_value) filter (where threshold = 'genre_min_lift') as min_lift,
            max(threshold_value) filter (where threshold = 'genre_smoothing_playlists') as smoothing_playlists
        from {{ ref('recommendation_thresholds') }}

    ),

    supported as (

        select
            counts.{{ key }},
            counts.genre,
            counts.playlists
        from {{ counts }} as counts
        cross join thresholds
        where counts.playlists >= thresholds.min_playlists

    ),

    totals as (

        select
            {{ key }},
            sum(playlists) as named_playlists
        from {{ counts }}
        where {{ key }} in (select supported.{{ key }} from supported)
        group by {{ key }}

    ),

    compared as (

        select
            supported.{{ key }},
            supported.genre,
            supported.playlists,
            totals.named_playlists::integer as named_playlists,
            supported.playlists / totals.named_playlists::double precision as share,
            genres.{{ expected_share }} as expected_share,
            -- As if it were in a few more playlists of the usual kind.
            (supported.playlists + thresholds.smoothing_playlists * genres.{{ expected_share }})
            / (totals.named_playlists + thresholds.smoothing_playlists)
            / genres.{{ expected_share }} as lift,
            thresholds.min_lift
        from supported
        inner join totals on supported.{{ key }} = totals.{{ key }}
        inner join {{ ref('int_genres_measured') }} as genres on supported.genre = genres.genre
        cross join thresholds

    ),

    ranked as (

        select
            *,
            row_number() over (
                partition by {{ key }}
                order by share - expected_share desc, genre collate "C" asc
            )::integer as genre_rank
        from compared

    )

    select
        {{ key }},
        genre,
        genre_rank,
        genre_rank = 1 and lift >= min_lift as is_primary,
        playlists,
        named_playlists,
        100 * share as share_pct,
        100 * expected_share as expected_share_pct,
        lift
    from ranked
{%- endmacro %}
