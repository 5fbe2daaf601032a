-- The playlists with the most followers that carry an artist. One that is in few places is looked for in these; one
-- that is in many is met early among the most followed playlists, whose tracks are looked through one playlist after
-- the other, and not beyond the first five thousand.
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
    where places.artist_id = :artist_id and cast(:track_appearances as bigint) <= 5000
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
    where cast(:track_appearances as bigint) > 5000
    order by playlists.num_followers desc
    limit 5000

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
