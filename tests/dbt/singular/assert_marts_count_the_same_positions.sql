-- Every mart that counts positions of playlists counts the same: a slice that one of them missed or took in twice would
-- show here. The positions themselves are counted by assert_positions_are_those_of_the_playlist.
with counts as (

    select
        'playlists' as mart,
        sum(num_tracks) as positions
    from {{ ref('playlists') }}
    union all
    select
        'tracks' as mart,
        sum(track_appearances) as positions
    from {{ ref('tracks') }}
    union all
    select
        'albums' as mart,
        sum(track_appearances) as positions
    from {{ ref('albums') }}
    union all
    select
        'artists' as mart,
        sum(track_appearances) as positions
    from {{ ref('artists') }}

),

agreement as (

    select
        count(distinct positions) as different,
        count(positions) as marts
    from counts

)

select counts.*
from counts
cross join agreement
where agreement.different > 1 or agreement.marts not in (0, 4)
