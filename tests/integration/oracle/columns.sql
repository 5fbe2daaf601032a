-- What the marts say beyond the files themselves, from the tables of marts.sql and the seeds; the variable `seeds` is
-- their folder. Apart from marts.sql, since it is not part of what benchmarks/build.py compares.

create or replace table playlists as
with letters as (
    select
        pid,
        trim(
            regexp_replace(
                translate(name, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'),
                '[\s!-/:-@\[-`{-~\x{A0}\x{2000}-\x{206F}\x{20E3}\x{2190}-\x{21FF}\x{2300}-\x{23FF}\x{2600}-\x{27BF}'
                || '\x{2B00}-\x{2BFF}\x{3000}\x{FE00}-\x{FE0F}\x{1F000}-\x{1FAFF}]+', ' ', 'g'
            )
        ) as letters
    from playlists
),

titles as (
    select pid, coalesce(nullif(letters, ''), name) as normalised_title
    from letters
    inner join playlists using (pid)
),

keywords as (
    select keyword, genre
    from read_csv(getvariable('seeds') || '/genre_keywords.csv', header = true, all_varchar = true)
),

genres as (
    select normalised_title, genre
    from (select distinct normalised_title from titles)
    inner join keywords on contains(' ' || normalised_title || ' ', ' ' || keyword || ' ')
    qualify
        row_number() over (
            partition by normalised_title
            order by strpos(' ' || normalised_title || ' ', ' ' || keyword || ' '), length(keyword) desc
        ) = 1
),

genre_numbers as (
    select genre, row_number() over (order by genre) as genre_number
    from keywords
    group by genre
),

lists as (
    select pid, [track.track_uri for track in tracks] as uris
    from landed
),

first_lists as (
    select uris, min(pid) as first_pid
    from lists
    group by all
),

length_bands as (
    select * from read_csv(getvariable('seeds') || '/length_bands.csv', header = true)
),

follower_bands as (
    select * from read_csv(getvariable('seeds') || '/follower_bands.csv', header = true)
)

select
    playlists.*,
    nullif(first_pid, pid) as duplicate_of_pid,
    first_pid <> pid as is_duplicate,
    normalised_title,
    genre,
    coalesce(genre_number, 0) as genre_number,
    coalesce(description, '') <> '' as has_description,
    length_band,
    follower_band,
    num_tracks < 5 or num_tracks > 250 as is_outside_official_lengths,
    num_tracks - num_distinct_tracks as duplicate_tracks,
    duration_ms / 60000 as duration_minutes,
    num_tracks = declared_num_tracks and num_albums = declared_num_albums and num_artists = declared_num_artists
    and duration_ms = declared_duration_ms as is_declared_right
from playlists
inner join titles using (pid)
left join genres using (normalised_title)
left join genre_numbers using (genre)
inner join lists using (pid)
inner join first_lists using (uris)
inner join length_bands on num_tracks between min_tracks and max_tracks
inner join follower_bands on num_followers between min_followers and max_followers;

create or replace table tracks as
select *, duration_ms / 60000 as duration_minutes
from tracks
inner join (select track_uri, count(*) as num_variants from variants group by all) using (track_uri);

create or replace table albums as
select *
from albums
inner join (select album_uri, count(distinct album_name) as num_names from variants group by all) using (album_uri);

create or replace table artists as
with carried as (
    select
        hash(artist_uri) as artist_id,
        sum(num_followers)::bigint as reach,
        date_trunc('month', make_timestamp(min(modified_at) * 1000000))::date as first_modified_month,
        date_trunc('month', make_timestamp(max(modified_at) * 1000000))::date as last_modified_month
    from (
        select distinct pid, num_followers, modified_at, unnest([track.artist_uri for track in tracks]) as artist_uri
        from landed
    )
    group by all
)

select
    artists.*,
    reach,
    first_modified_month,
    last_modified_month,
    100::double * playlist_appearances / (select count(*) from playlists) as share_of_playlists_pct,
    100::double * track_appearances / (select count(*) from playlist_tracks) as share_of_tracks_pct
from artists
inner join carried using (artist_id);
