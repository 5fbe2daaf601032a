{#-
    How the share of the playlists that carry something, or name it, differs from the three months before, month by month.
    A playlist is in the month in which it was last changed.

    Args:
        counts: A CTE with the key, `modified_month` and `playlists`, an integer.
        key: What rises and falls, `artist_id` or `genre`.
-#}
{% macro monthly_trends(counts, key) -%}
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
            count(*)::integer as playlists
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
            sum(spans.playlists) filter (where spans.is_year_before) as year_before_playlists
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
            sum(playlists) / (select sum(playlists.playlists) from playlists)::double precision as overall_share
        from {{ counts }}
        group by {{ key }}

    ),

    -- A month counts as if it had some more playlists of the usual kind: a share of few playlists is drawn towards that of
    -- all months.
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
            (counted.playlists + thresholds.smoothing_playlists * overall.overall_share)
            / (months.month_playlists + thresholds.smoothing_playlists) as smoothed_share,
            (counted.playlists_before + thresholds.smoothing_playlists * overall.overall_share)
            / (months.before_playlists + thresholds.smoothing_playlists) as smoothed_share_before,
            (counted.playlists + counted.playlists_before + thresholds.smoothing_playlists * overall.overall_share)
            / (months.month_playlists + months.before_playlists + thresholds.smoothing_playlists) as pooled_share,
            1.0::double precision / months.month_playlists + 1.0::double precision / months.before_playlists as spread,
            thresholds.min_playlists,
            thresholds.min_score,
            thresholds.min_change
        from counted
        inner join months on counted.trend_month = months.trend_month
        inner join overall on counted.{{ key }} = overall.{{ key }}
        cross join thresholds

    ),

    scored as (

        select
            *,
            smoothed_share / smoothed_share_before - 1 as change,
            -- What every playlist has does not change, and has no standard error.
            case
                when pooled_share < 1
                    then
                        (smoothed_share - smoothed_share_before)
                        / sqrt(pooled_share * (1 - pooled_share) * spread)
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
        100 * change as change_pct,
        trend_score,
        case
            when greatest(playlists, smoothed_share_before * month_playlists) < min_playlists then 'too few to tell'
            when trend_score >= min_score and change >= min_change then 'rising'
            when trend_score <= -min_score and change <= -min_change then 'falling'
            else 'steady'
        end as direction
    from scored
{%- endmacro %}
