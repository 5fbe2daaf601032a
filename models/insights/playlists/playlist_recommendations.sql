{{ config(
    meta={'primary_key': ['pid', 'recommendation']},
    indexes=[{'columns': ['priority_score', 'log_gap']}, {'columns': ['recommendation', 'priority_score', 'log_gap']}],
) }}

with playlists as (

    select * from {{ ref('playlist_performance') }}

),

profiles as (

    select * from {{ ref('int_playlist_groups_profiled') }}

),

contrasts as (

    select * from {{ ref('int_playlist_groups_contrasted') }}

),

weaknesses as (

    select * from {{ ref('playlist_weaknesses') }}

),

thresholds as (

    select
        max(threshold_value) filter (where threshold = 'length_change') as length_change,
        max(threshold_value) filter (where threshold = 'most_recommendations') as most_recommendations,
        max(threshold_value) filter (
            where threshold = 'most_recommendations_otherwise'
        ) as most_recommendations_otherwise
    from {{ ref('recommendation_thresholds') }}

),

-- What a playlist has that comparable ones do better without. To one that underperforms some of it is said even if
-- that is not clear, but never if it is the other way round.
found as (

    select
        playlists.*,
        weaknesses.weakness,
        weaknesses.recommendation,
        weaknesses.action,
        weaknesses.unit,
        weaknesses.others,
        profiles.min_tracks,
        profiles.max_tracks,
        contrasts.weak_playlists,
        contrasts.other_playlists,
        contrasts.expected_gain,
        contrasts.gain_standard_error,
        contrasts.evidence,
        -- What rests on few playlists comes later.
        greatest(coalesce(contrasts.expected_gain - contrasts.gain_standard_error, 0), 0) as priority_score
    from playlists
    inner join profiles on playlists.comparable_group = profiles.comparable_group
    inner join contrasts on playlists.comparable_group = contrasts.comparable_group
    inner join weaknesses on contrasts.weakness = weaknesses.weakness
    cross join thresholds
    where
        (
            contrasts.evidence = 'clear'
            or (
                playlists.is_underperforming
                and weaknesses.is_told_on_unclear_evidence
                and contrasts.evidence != 'against'
            )
        )
        and case weaknesses.weakness
            when 'few_artists' then playlists.has_few_artists
            when 'long_tracks' then playlists.track_length = 'long'
            when 'short_tracks' then playlists.track_length = 'short'
            when 'collaborative' then playlists.collaborative and playlists.is_underperforming
            when 'no_description' then not playlists.has_description
            when 'repeated_tracks' then playlists.duplicate_tracks > 0
            when 'nearly_longer'
                then playlists.num_tracks * (1 + thresholds.length_change) >= profiles.max_tracks::bigint + 1
            when 'nearly_shorter'
                then playlists.num_tracks * (1 - thresholds.length_change) <= profiles.min_tracks - 1
        end

),

-- A band may be so narrow that a playlist is near both of its ends. It is told to go one way: the one that would come
-- first.
directed as (

    select
        *,
        weakness in ('nearly_longer', 'nearly_shorter')
        and row_number() over (
            partition by pid, weakness in ('nearly_longer', 'nearly_shorter')
            order by priority_score desc, expected_gain desc nulls last, weakness collate "C" asc
        ) > 1 as is_contradicted
    from found

),

ranked as (

    select
        *,
        row_number() over (
            partition by pid
            order by priority_score desc, expected_gain desc nulls last, weakness collate "C" asc
        ) as recommendation_rank
    from directed
    where not is_contradicted

),

told as (

    select ranked.*
    from ranked
    cross join thresholds
    where
        ranked.recommendation_rank <= case
            when ranked.is_underperforming then thresholds.most_recommendations
            else thresholds.most_recommendations_otherwise
        end

),

-- The playlist as it is, what it would be, and both in words.
suggested as (

    select
        *,
        case
            when weakness = 'few_artists' then num_artists
            when weakness in ('long_tracks', 'short_tracks') then duration_ms / 60000.0::double precision
            when weakness = 'collaborative' then num_followers
            when weakness = 'no_description' then 0
            when weakness = 'repeated_tracks' then duplicate_tracks
            when weakness in ('nearly_longer', 'nearly_shorter') then num_tracks
        end as current_value,
        case
            -- Rounded first: 0.28 of 25 tracks is 7 artists, and in floating point a little more.
            when weakness = 'few_artists'
                then ceil(round((comparable_artists_per_track * num_tracks)::numeric, 6))
            when weakness in ('long_tracks', 'short_tracks') then comparable_duration_ms / 60000.0::double precision
            when weakness = 'collaborative' then predicted_followers
            when weakness = 'no_description' then 1
            when weakness = 'repeated_tracks' then 0
            when weakness = 'nearly_longer' then max_tracks + 1
            when weakness = 'nearly_shorter' then min_tracks - 1
        end as suggested_value,
        case
            when weakness = 'few_artists'
                then
                    comparable_group || ' usually have '
                    || round((100 * comparable_artists_per_track)::numeric)
                    || ' artists per 100 tracks, this one has '
                    || round((100 * artists_per_track)::numeric)
            when weakness in ('long_tracks', 'short_tracks')
                then
                    'with tracks as long as ' || comparable_group || ' usually have, it would last '
                    || round((comparable_duration_ms / 60000)::numeric)
                    || ' minutes; it lasts '
                    || round((duration_ms / 60000.0)::numeric)
            when weakness = 'collaborative'
                then
                    'a collaborative playlist with ' || num_followers
                    || case when num_followers = 1 then ' follower where ' else ' followers where ' end
                    || round(predicted_followers::numeric, 1) || ' were predicted'
            when weakness = 'no_description' then 'it has none'
            when weakness = 'repeated_tracks'
                then
                    duplicate_tracks || ' of its ' || num_tracks || ' tracks are there already'
            when weakness = 'nearly_longer'
                then
                    'it is ' || (max_tracks + 1 - num_tracks) || ' short of ' || (max_tracks + 1) || ' tracks'
            when weakness = 'nearly_shorter' then
                'it is ' || (num_tracks - min_tracks + 1) || ' beyond ' || (min_tracks - 1) || ' tracks'
        end as finding
    from told

)

select
    pid,
    recommendation,
    recommendation_rank::integer as recommendation_rank,
    name,
    action,
    current_value,
    suggested_value,
    unit,
    finding || case evidence
        when 'none' then '; too few comparable ones to say what it would bring'
        when 'unclear' then '; whether comparable ones ' || others || ' have more followers is unclear'
        when 'clear'
            then
                '; comparable ones ' || others || ' have '
                || round((100 * (exp(expected_gain) - 1))::numeric, 1)
                || ' % more followers (' || other_playlists || ' against ' || weak_playlists
                || '), which need not be why'
    end as reason,
    expected_gain,
    100 * (exp(expected_gain) - 1) as expected_gain_pct,
    gain_standard_error,
    evidence,
    weak_playlists,
    other_playlists,
    priority_score,
    log_gap,
    is_underperforming,
    comparable_group,
    comparable_playlists,
    num_followers,
    predicted_followers,
    last_processed
from suggested
