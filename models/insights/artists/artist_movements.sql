{{ config(
    meta={'primary_key': ['artist_uri', 'modified_month']},
    indexes=[{'columns': ['modified_month', 'movement']}],
) }}

-- The index is for those that rose or fell most in a month, which pages show.

with cells as (

    select * from {{ ref('int_artist_playlists_counted') }}

),

artists as (

    select
        artist_id,
        artist_uri,
        artist_name,
        stage,
        playlist_appearances
    from {{ ref('artist_performance') }}

),

thresholds as (

    select
        max(threshold_value) filter (where threshold = 'movement_months') as num_months,
        max(threshold_value) filter (where threshold = 'movement_min_playlists') as min_playlists,
        max(threshold_value) filter (where threshold = 'movement_min_stage_artists') as min_stage_artists
    from {{ ref('recommendation_thresholds') }}

),

changes as (

    select {{ month_of('modified_at') }} as modified_month
    from {{ ref('int_playlists_measured') }}

),

-- Months are numbered, so that those without a playlist leave a gap.
numbered_months as (

    select
        modified_month,
        (12 * extract(year from modified_month) + extract(month from modified_month))::integer as month_number,
        count(*)::integer as playlists
    from changes
    group by modified_month

),

months as (

    select
        *,
        lead(month_number) over (order by month_number) as next_month_number
    from numbered_months

),

-- Enough playlists means: enough of all seven months that the threshold would be in the last, were nothing to change.
-- Asking for enough in the last month itself would pick the artists that rose by chance.
month_totals as (

    select
        months.modified_month,
        months.month_number,
        months.playlists as all_playlists,
        sum(earlier.playlists)::integer as all_earlier_playlists,
        max(thresholds.min_playlists) * (1 + sum(earlier.playlists)::double precision / months.playlists)
            as enough_playlists
    from months
    inner join months as earlier on earlier.month_number between months.month_number - 6 and months.month_number - 1
    cross join thresholds
    where months.month_number > (select max(newest.month_number) from months as newest) - thresholds.num_months
    group by months.modified_month, months.month_number, months.playlists

),

-- Of those months and the six before; without artists that have too few playlists in all to have enough in any of them.
artist_months as (

    select
        cells.artist_id,
        months.month_number,
        months.next_month_number,
        lead(months.month_number) over (
            partition by cells.artist_id
            order by months.month_number
        ) as next_own_month_number,
        sum(cells.playlists)::integer as playlists
    from cells
    inner join months on cells.modified_month = months.modified_month
    inner join artists on cells.artist_id = artists.artist_id
    where
        months.month_number >= (select min(month_totals.month_number) - 6 from month_totals)
        and artists.playlist_appearances >= (select min(month_totals.enough_playlists) from month_totals)
    group by cells.artist_id, months.month_number, months.next_month_number

),

-- A month without the artist has no row to be read. The first of such months is made here: silence is a movement. A
-- month without any playlist is passed over, as nobody is missing from it.
heard as (

    select
        artist_id,
        month_number,
        playlists
    from artist_months
    union all
    select
        artist_id,
        next_month_number as month_number,
        0 as playlists
    from artist_months
    where next_month_number < coalesce(next_own_month_number, next_month_number + 1)

),

counted as (

    select
        artist_id,
        month_number,
        playlists,
        coalesce(
            sum(playlists) over (
                partition by artist_id
                order by month_number range between 6 preceding and 1 preceding
            ),
            0
        ) as earlier_playlists
    from heard

),

supported as (

    select
        counted.artist_id,
        month_totals.modified_month,
        counted.playlists,
        counted.earlier_playlists,
        month_totals.all_playlists,
        month_totals.all_earlier_playlists,
        counted.earlier_playlists * month_totals.all_playlists::double precision
        / month_totals.all_earlier_playlists as expected_playlists,
        -- What chance alone spreads the deviation by, of the month and of the level that it is compared with.
        sqrt(
            1 + month_totals.all_playlists::double precision / month_totals.all_earlier_playlists
        ) as chance_spread
    from counted
    inner join month_totals
        on
            counted.month_number = month_totals.month_number
            and counted.playlists + counted.earlier_playlists >= month_totals.enough_playlists

),

-- On the scale of square roots, counts vary by chance equally much whether they are small or large (Anscombe 1948).
deviated as (

    select
        supported.*,
        artists.artist_uri,
        artists.artist_name,
        artists.stage,
        2 * (
            sqrt(supported.playlists + 0.375::double precision)
            - sqrt(supported.expected_playlists + 0.375::double precision)
        ) as deviation
    from supported
    inner join artists on supported.artist_id = artists.artist_id

),

stage_medians as (

    select
        stage,
        modified_month,
        count(*) as stage_artists,
        max(chance_spread) as chance_spread,
        percentile_cont(0.5) within group (order by deviation) as stage_deviation
    from deviated
    group by stage, modified_month

),

-- The median absolute deviation, times 1.4826, is the standard deviation where deviations are normal, and does not mind
-- the few that are not. No stage is taken to be calmer than chance.
stage_spreads as (

    select
        stage_medians.stage,
        stage_medians.modified_month,
        stage_medians.stage_artists,
        stage_medians.stage_deviation,
        greatest(
            stage_medians.chance_spread,
            1.4826 * percentile_cont(0.5) within group (
                order by abs(deviated.deviation - stage_medians.stage_deviation)
            )
        ) as stage_spread
    from deviated
    inner join stage_medians
        on deviated.stage = stage_medians.stage and deviated.modified_month = stage_medians.modified_month
    group by
        stage_medians.stage,
        stage_medians.modified_month,
        stage_medians.stage_artists,
        stage_medians.stage_deviation,
        stage_medians.chance_spread

)

select
    deviated.artist_uri,
    deviated.modified_month,
    deviated.artist_name,
    deviated.stage,
    deviated.playlists,
    deviated.all_playlists,
    deviated.earlier_playlists::integer as earlier_playlists,
    deviated.all_earlier_playlists,
    deviated.expected_playlists,
    deviated.deviation,
    stage_spreads.stage_artists::integer as stage_artists,
    stage_spreads.stage_deviation,
    stage_spreads.stage_spread,
    (deviated.deviation - stage_spreads.stage_deviation) / stage_spreads.stage_spread as movement
from deviated
inner join stage_spreads
    on deviated.stage = stage_spreads.stage and deviated.modified_month = stage_spreads.modified_month
cross join thresholds
where stage_spreads.stage_artists >= thresholds.min_stage_artists
