-- The playlists with the most followers that carry an artist. One that is in up to some thousand places is looked
-- for in these. One that is in more is met early when the most followed playlists are looked through one by one,
-- and not beyond the first 600: that an artist in more than 8,000 places of a million playlists is in none of them
-- is next to impossible.
with few as (

    select
        playlists.pid,
        playlists.name,
        playlists.genre,
        playlists.num_followers,
        playlists.num_tracks,
        playlists.modified_at,
        count(*) as artist_tracks
    from marts.playlist_tracks as places
    inner join marts.playlists as playlists on places.pid = playlists.pid
    where places.artist_id = :artist_id and cast(:track_appearances as bigint) <= 8000
    group by playlists.pid
    order by playlists.num_followers desc, playlists.pid asc
    limit :limit

),

most_followed as (

    select
        playlists.pid,
        playlists.name,
        playlists.genre,
        playlists.num_followers,
        playlists.num_tracks,
        playlists.modified_at
    from marts.playlists as playlists
    where cast(:track_appearances as bigint) > 8000
    order by playlists.num_followers desc
    limit 600

),

many as (

    select
        most_followed.*,
        found.artist_tracks
    from most_followed
    cross join
        lateral (
            select count(*) filter (where places.artist_id = :artist_id) as artist_tracks
            from marts.playlist_tracks as places
            where places.pid = most_followed.pid
        ) as found
    where found.artist_tracks > 0
    order by most_followed.num_followers desc
    limit :limit

)

select * from few
union all
select * from many
order by num_followers desc, pid asc
