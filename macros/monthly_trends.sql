{#-
    How the share of the playlists that carry something, or name it, differs from the three months before, month by month.
    A playlist is in the month in which it was last changed.

    Playlists that are still changed are longer than those that were left alone, so that the share of every artist is higher in
    the last months. Counts are therefore compared by the places that there are for what is counted: as many as playlists
    for what each of them may name once, as many as they have artists for artists.

    Args:
        counts: A CTE with the key, `modified_month` and `playlists`, an integer.
        key: What rises and falls, `artist_id` or `genre`.
        places: The places in playlists, as an aggregate over int_playlists_measured.
-#}
{% macro monthly_trends(counts, key, places) -%}
    with thresholds as (

        select
            max(threshold_value) filter (where threshold = 'trend_min_month_playlists') as min_month_playlists,
            max(threshold_value) filter (where threshold = 'trend_min_playlists') as min_playlists,
            max(threshold_value) filter (where threshold = 'trend_smoothing_playlists') as smoothing_playlists,
            max(threshold_value) filter (where threshold = 'trend_min_score') as min_score,
            max(threshold_value) filter (where threshold = 'trend_min_change') as min_change
        from {{ ref('recommendation_thresholds') }}

    ),

    playlists as (

        select
            {{ month_of('modified_at') }} as modified_month,
            count(*)::integer as playlists,
            {{ places }}::bigint as places
        from {{ ref('int_playlists_measured') }}
        group by {{ month_of('modified_at') }}

    ),

    -- A month counts for itself, for the three after it, and for its own in the next year.
    roles (months_later, is_month, is_before, is_year_before) as (

        values
        (0, true, false, false),
        (1, false, true, false),
        (2, false, true, false),
        (3, false, true, false),
        (12, false, false, true)

    ),

    spans as (

        select
            (playlists.modified_month + roles.months_later * interval '1 month')::date as trend_month,
            playlists.modified_month,
            playlists.playlists,
            playlists.places,
            roles.is_month,
            roles.is_before,
            roles.is_year_before
        from playlists
        cross join roles

    ),

    months as (

        select
            spans.trend_month,
            sum(spans.playlists) filter (where spans.is_month) as month_playlists,
            sum(spans.playlists) filter (where spans.is_before) as before_playlists,
            sum(spans.playlists) filter (where spans.is_year_before) as year_before_playlists,
            (sum(spans.places) filter (where spans.is_month))::double precision as month_places,
            (sum(spans.places) filter (where spans.is_before))::double precision as before_places
        from spans
        cross join thresholds
        group by spans.trend_month
        having
            sum(spans.playlists) filter (where spans.is_month) >= max(thresholds.min_month_playlists)
            and sum(spans.playlists) filter (where spans.is_before) >= max(thresholds.min_month_playlists)

    ),

    counted as (

        select
            counts.{{ key }},
            spans.trend_month,
            coalesce(sum(counts.playlists) filter (where spans.is_month), 0) as playlists,
            coalesce(sum(counts.playlists) filter (where spans.is_before), 0) as playlists_before,
            coalesce(sum(counts.playlists) filter (where spans.is_year_before), 0) as playlists_year_before
        from {{ counts }} as counts
        inner join spans on counts.modified_month = spans.modified_month
        where spans.trend_month in (select months.trend_month from months)
        group by counts.{{ key }}, spans.trend_month

    ),

    overall as (

        select
            {{ key }},
            sum(playlists) as playlists
        from {{ counts }}
        group by {{ key }}

    ),

    -- What a month counts for beyond its own: some more playlists of the usual kind, so that a share of few playlists is
    -- drawn towards that of all months.
    smoothing as (

        select
            thresholds.smoothing_playlists / sum(playlists.playlists) as part_of_all,
            thresholds.smoothing_playlists * sum(playlists.places) / sum(playlists.playlists) as places
        from playlists
        cross join thresholds
        group by thresholds.smoothing_playlists

    ),

    smoothed as (

        select
            counted.{{ key }},
            counted.trend_month,
            counted.playlists,
            months.month_playlists,
            counted.playlists_before,
            counted.playlists / months.month_playlists::double precision as share,
            counted.playlists_before / months.before_playlists::double precision as share_before,
            case
                when months.year_before_playlists >= thresholds.min_month_playlists
                    then counted.playlists_year_before / months.year_before_playlists::double precision
            end as share_year_before,
            months.month_places,
            (counted.playlists + smoothing.part_of_all * overall.playlists)
            / (months.month_places + smoothing.places) as rate,
            (counted.playlists_before + smoothing.part_of_all * overall.playlists)
            / (months.before_places + smoothing.places) as rate_before,
            (counted.playlists + counted.playlists_before + smoothing.part_of_all * overall.playlists)
            / (months.month_places + months.before_places + smoothing.places) as pooled_rate,
            1 / months.month_places + 1 / months.before_places as spread,
            thresholds.min_playlists,
            thresholds.min_score,
            thresholds.min_change
        from counted
        inner join months on counted.trend_month = months.trend_month
        inner join overall on counted.{{ key }} = overall.{{ key }}
        cross join smoothing
        cross join thresholds

    ),

    scored as (

        select
            *,
            rate_before * month_places as expected_playlists,
            rate / rate_before - 1 as change,
            -- What holds every place does not change, and has no standard error.
            case
                when pooled_rate < 1
                    then (rate - rate_before) / sqrt(pooled_rate * (1 - pooled_rate) * spread)
                else 0
            end as trend_score
        from smoothed

    )

    select
        {{ key }},
        trend_month as modified_month,
        playlists::integer as playlists,
        month_playlists::integer as month_playlists,
        100 * share as share_pct,
        playlists_before::integer as playlists_before,
        100 * share_before as share_before_pct,
        100 * share_year_before as share_year_before_pct,
        expected_playlists,
        100 * change as change_pct,
        trend_score,
        case
            when greatest(playlists, expected_playlists) < min_playlists then 'too few to tell'
            when trend_score >= min_score and change >= min_change then 'rising'
            when trend_score <= -min_score and change <= -min_change then 'falling'
            else 'steady'
        end as direction
    from scored
{%- endmacro %}
