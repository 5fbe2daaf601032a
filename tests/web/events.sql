-- What a thousand made playlists have not: months in which something happened, strangers' text that is a script, and
-- what was refused. The pages show what is in these tables, whatever put it there.
create temporary table chosen as
select
    row_number() over (order by artist_rank, artist_uri) as place,
    artist_id,
    artist_uri,
    artist_name,
    stage
from insights.artist_performance
order by artist_rank, artist_uri
limit 30;

update insights.artist_performance set artist_name = '<script>alert(1)</script>'
where artist_uri = (select artist_uri from chosen where place = 1);

update chosen set artist_name = '<script>alert(1)</script>'
where place = 1;

update marts.playlists set name = '<script>alert(2)</script>'
where pid = (
    select playlists.pid
    from marts.playlists
    inner join marts.playlist_tracks on playlists.pid = playlist_tracks.pid
    inner join chosen on playlist_tracks.artist_id = chosen.artist_id and chosen.place = 1
    order by playlists.num_followers desc
    limit 1
);

truncate insights.artist_movements, insights.artist_jumps, insights.artist_monthly_trends;

insert into insights.artist_movements (
    artist_uri, modified_month, artist_name, stage, playlists, all_playlists, earlier_playlists, all_earlier_playlists,
    expected_playlists, deviation, stage_artists, stage_deviation, stage_spread, movement
)
select
    chosen.artist_uri,
    months.modified_month,
    chosen.artist_name,
    chosen.stage,
    40 - chosen.place,
    500,
    60,
    1500,
    20,
    (20 - chosen.place) / 2.0,
    30,
    0,
    1,
    (20 - chosen.place) / 2.0
from chosen
cross join (values (date '2017-09-01'), (date '2017-10-01')) as months (modified_month);

insert into insights.artist_jumps (
    artist_uri, modified_month, artist_name, stage, direction, movement, playlists, expected_playlists,
    earlier_playlists, share_pct, earlier_share_pct, reason
)
select
    artist_uri, date '2017-10-01', artist_name, stage, 'up', 9.5, 39, 20, 60, 7.8, 4, 'in 39 of the 500 playlists'
from chosen
where place = 1;

insert into insights.artist_monthly_trends (
    artist_id, modified_month, artist_uri, artist_name, playlists, month_playlists, share_pct, playlists_before,
    share_before_pct, share_year_before_pct, expected_playlists, change_pct, trend_score, direction
)
select
    chosen.artist_id,
    months.modified_month,
    chosen.artist_uri,
    chosen.artist_name,
    40 - chosen.place,
    500,
    (40 - chosen.place) / 5.0,
    60,
    4,
    null,
    20,
    100 - 5 * chosen.place,
    (20 - chosen.place) / 3.0,
    case when chosen.place <= 3 then 'rising' when chosen.place >= 29 then 'falling' else 'steady' end
from chosen
cross join (values (date '2017-09-01'), (date '2017-10-01')) as months (modified_month);

delete from insights.genre_monthly_trends;

insert into insights.genre_monthly_trends (
    genre, modified_month, playlists, month_playlists, share_pct, playlists_before, share_before_pct,
    share_year_before_pct, expected_playlists, change_pct, trend_score, direction
)
select
    genres.genre,
    months.modified_month,
    50,
    500,
    10,
    60,
    4,
    null,
    25,
    60 - 20 * genres.place,
    5 - genres.place,
    case genres.place when 1 then 'rising' when 6 then 'falling' when 7 then 'too few to tell' else 'steady' end
from (
    select
        genre,
        row_number() over (order by playlists desc, genre asc) as place
    from insights.genres
    order by playlists desc, genre asc
    limit 7
) as genres
cross join (values (date '2017-09-01'), (date '2017-10-01')) as months (modified_month);

insert into insights.rejects_by_reason (entity, reason, refused, still_open, first_refused_at, last_refused_at)
values
('file', 'not_json', 2, 1, '2026-01-01 12:00Z', '2026-01-02 12:00Z'),
('playlist', 'bad_uri', 3, 3, '2026-01-01 12:00Z', '2026-01-01 12:00Z'),
('playlist', 'empty_name', 1, 0, '2026-01-01 12:00Z', '2026-01-01 12:00Z');

update insights.overview set slices_refused = 1, playlists_rejected = 3;

update insights.data_quality set rows_broken = 3, rows_kept_aside = 3, share_broken_pct = 0.299
where rule = 'uris_are_well_formed';
