-- The marts a second time, from the JSON files alone: plain DuckDB that shares nothing with the models but the rules in
-- their descriptions. Keys are DuckDB's own hashes of the URIs. benchmarks/build.py times these very statements, so that
-- what it compares with is known to give the same rows.
--
-- The variable `slices` is a path or pattern of slice files.

create temp table landed as
select unnest(playlists, max_depth := 2)
from read_json(getvariable('slices'), maximum_object_size := 100000000);

create temp view entries as
select pid, unnest(tracks, recursive := true)
from landed;

create table playlist_tracks as
select
    pid,
    pos,
    hash(track_uri) as track_id,
    hash(album_uri) as album_id,
    hash(artist_uri) as artist_id
from entries;

create table playlists as
select
    pid,
    name,
    description,
    -- Auto-detection gives JSON where the files hold both strings and booleans.
    trim(collaborative::varchar, '"') = 'true' as collaborative,
    to_timestamp(modified_at) as modified_at,
    len(tracks) as num_tracks,
    len(list_distinct([track.track_uri for track in tracks])) as num_distinct_tracks,
    len(list_distinct([track.album_uri for track in tracks])) as num_albums,
    len(list_distinct([track.artist_uri for track in tracks])) as num_artists,
    list_sum([track.duration_ms for track in tracks])::bigint as duration_ms,
    num_tracks as declared_num_tracks,
    num_albums as declared_num_albums,
    num_artists as declared_num_artists,
    duration_ms as declared_duration_ms,
    num_followers,
    num_edits
from landed;

create temp table variants as
select
    track_uri,
    track_name,
    album_uri,
    album_name,
    artist_uri,
    artist_name,
    duration_ms,
    count(*) as appearances
from entries
group by all;

-- The combination that occurs most; among equals the first in this order. Text is in the order of its code points.
create table tracks as
with playlists_of_track as (
    select track_uri, count(distinct pid) as playlist_appearances
    from entries
    group by all
)

select
    hash(track_uri) as track_id,
    track_uri,
    hash(artist_uri) as artist_id,
    artist_uri,
    hash(album_uri) as album_id,
    album_uri,
    track_name,
    duration_ms,
    sum(appearances) over (partition by track_uri)::bigint as track_appearances,
    playlist_appearances
from variants
inner join playlists_of_track using (track_uri)
qualify
    row_number() over (
        partition by track_uri
        order by appearances desc, track_name, artist_uri, album_uri, duration_ms, artist_name, album_name
    ) = 1;

create table albums as
with names as (
    select album_uri, album_name, sum(appearances) as appearances
    from variants
    group by all
),

named as (
    select album_uri, album_name
    from names
    qualify row_number() over (partition by album_uri order by appearances desc, album_name) = 1
),

contents as (
    select
        album_uri,
        count(distinct track_uri) as num_tracks,
        count(distinct artist_uri) as num_artists,
        sum(appearances)::bigint as track_appearances
    from variants
    group by all
)

select hash(album_uri) as album_id, *
from named
inner join contents using (album_uri);

create table artists as
with names as (
    select artist_uri, artist_name, sum(appearances) as appearances
    from variants
    group by all
),

named as (
    select artist_uri, artist_name
    from names
    qualify row_number() over (partition by artist_uri order by appearances desc, artist_name) = 1
),

contents as (
    select artist_uri, count(distinct track_uri) as track_count, sum(appearances)::bigint as track_appearances
    from variants
    group by all
),

-- An artist with ten tracks in a playlist appears there once, and its followers count once.
presence as (
    select
        artist_id,
        count(*) as playlist_appearances,
        avg(num_followers) as avg_followers,
        median(num_followers) as median_followers
    from (select distinct artist_id, pid from playlist_tracks)
    inner join playlists using (pid)
    group by all
)

select *
from (select hash(artist_uri) as artist_id, * from named inner join contents using (artist_uri))
inner join presence using (artist_id);
