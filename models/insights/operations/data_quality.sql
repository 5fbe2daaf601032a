{{ config(
    meta={'primary_key': ['rule']},
) }}

-- What must hold of a row, for each rule that something in the warehouse could break. The others are kept by the
-- loader and by keys: what broke them is among the rejects.
{% set playlist_rules = {
    'numbers_are_in_range':
        'duration_ms >= 0 and least(declared_num_tracks, declared_num_albums, declared_num_artists) >= 0'
        ~ ' and declared_duration_ms >= 0',
    'pid_in_range': 'pid between 0 and 999999',
    'name_is_not_empty': "playlist_name != ''",
    'collaborative_is_a_string': 'is_collaborative_a_string',
    'no_unknown_fields': 'not has_unknown_fields',
    'modified_at_in_time': "modified_at between '2010-01-01 00:00:00+00' and '2017-11-01 00:00:00+00'",
    'modified_at_is_midnight': "modified_at = date_trunc('day', modified_at, 'UTC')",
    'has_tracks': 'num_tracks >= 1',
    'uris_are_well_formed': 'has_sound_uris',
    'num_tracks_is_right': 'declared_num_tracks = num_tracks',
    'num_albums_is_right': 'declared_num_albums = num_albums',
    'num_artists_is_right': 'declared_num_artists = num_artists',
    'duration_ms_is_right': 'declared_duration_ms = duration_ms',
    'length_is_official': 'num_tracks between 5 and 250',
    'artists_are_at_least_3': 'num_artists >= 3',
    'albums_are_at_least_2': 'num_albums >= 2',
    'num_followers_at_least_1': 'num_followers >= 1',
    'num_edits_at_least_1': 'num_edits >= 1',
    'tracks_are_not_repeated': 'num_distinct_tracks = num_tracks',
} -%}
{% set track_rules = {
    'track_has_one_name': 'num_names = 1',
    'track_has_one_artist': 'num_artists = 1',
    'track_has_one_album': 'num_albums = 1',
    'track_has_one_duration': 'num_durations = 1',
} -%}
{% set album_rules = {
    'album_has_one_name': 'num_names = 1',
    'album_has_one_artist': 'num_artists = 1',
} -%}
{% set artist_rules = {
    'artist_has_one_name': 'num_names = 1',
} -%}

with rules as (

    select * from {{ ref('data_quality_rules') }}

),

repeated_lists as (

    select count(*) - 1 as copies
    from {{ ref('int_playlists_measured') }}
    group by track_list_digest
    having count(*) > 1

),

playlist_counts as (

    select
        {% for rule, holds in playlist_rules.items() -%}
            count(*) filter (where ({{ holds }}) is not true) as {{ rule }},
        {% endfor -%}
        (select coalesce(sum(repeated_lists.copies), 0) from repeated_lists) as playlist_is_no_duplicate,
        count(*) as checked
    from {{ ref('int_playlists_measured') }}

),

-- Few tracks have more than one combination of names, album and duration; only those can have two of anything.
track_variants as (

    select
        variants.track_id,
        count(distinct variants.track_name) as num_names,
        count(distinct variants.artist_id) as num_artists,
        count(distinct variants.album_id) as num_albums,
        count(distinct variants.duration_ms) as num_durations
    from {{ ref('int_track_variants_counted') }} as variants
    inner join {{ ref('tracks') }} as tracks on variants.track_id = tracks.track_id
    where tracks.num_variants > 1
    group by variants.track_id

),

track_counts as (

    select
        {% for rule, holds in track_rules.items() -%}
            count(*) filter (where ({{ holds }}) is not true) as {{ rule }},
        {% endfor -%}
        (select count(*) from {{ ref('tracks') }}) as checked
    from track_variants

),

album_counts as (

    select
        {% for rule, holds in album_rules.items() -%}
            count(*) filter (where ({{ holds }}) is not true) as {{ rule }},
        {% endfor -%}
        count(*) as checked
    from {{ ref('albums') }}

),

artist_counts as (

    select
        {% for rule, holds in artist_rules.items() -%}
            count(*) filter (where ({{ holds }}) is not true) as {{ rule }},
        {% endfor -%}
        count(*) as checked
    from {{ ref('int_artists_named') }}

),

broken as (

    {% for table, broken_rules in {
        'playlist_counts': playlist_rules.keys() | list + ['playlist_is_no_duplicate'],
        'track_counts': track_rules.keys() | list,
        'album_counts': album_rules.keys() | list,
        'artist_counts': artist_rules.keys() | list,
    }.items() -%}
        {% for rule in broken_rules -%}
            select
                '{{ rule }}' as rule,
                {{ rule }} as rows_broken
            from {{ table }}
            union all
        {% endfor -%}
    {% endfor -%}
    select
        null as rule,
        0 as rows_broken
    where false

),

checked as (

    select
        'playlists' as entity,
        checked as rows_checked
    from playlist_counts
    union all
    select
        'tracks' as entity,
        checked as rows_checked
    from track_counts
    union all
    select
        'albums' as entity,
        checked as rows_checked
    from album_counts
    union all
    select
        'artists' as entity,
        checked as rows_checked
    from artist_counts

),

-- The detail of a reject starts with the field at fault. A rule of that field goes before one of the reason alone.
rejects as (

    select
        coalesce(of_field.rule, of_reason.rule) as rule,
        count(*) as rows_kept_aside
    from {{ ref('stg_mpd__rejects') }} as rejects
    left join rules as of_field
        on
            rejects.reason = of_field.reject_reason
            and split_part(rejects.detail, ' ', 1) = of_field.reject_field
    left join rules as of_reason
        on
            rejects.reason = of_reason.reject_reason
            and of_reason.reject_field is null
    where rejects.is_open
    group by coalesce(of_field.rule, of_reason.rule)

),

counts as (

    select
        rules.rule,
        rules.entity,
        rules.description,
        rules.severity,
        rules.reason,
        checked.rows_checked + coalesce(rejects.rows_kept_aside, 0) as rows_checked,
        coalesce(broken.rows_broken, 0) + coalesce(rejects.rows_kept_aside, 0) as rows_broken,
        coalesce(rejects.rows_kept_aside, 0) as rows_kept_aside
    from rules
    inner join checked on rules.entity = checked.entity
    left join broken on rules.rule = broken.rule
    left join rejects on rules.rule = rejects.rule

)

select
    rule,
    entity,
    description,
    severity,
    reason,
    rows_checked,
    rows_broken,
    rows_kept_aside,
    100.0::double precision * rows_broken / nullif(rows_checked, 0) as share_broken_pct
from counts
