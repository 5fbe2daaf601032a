-- The best artists, of a cluster, a stage, or with a name that begins with a text, where these are not null. A stage is
-- looked for by the ranks that it takes up, so that those of a cluster that are of it are read and no others.
select
    artist_uri,
    artist_name,
    artist_score,
    artist_rank,
    stage,
    reach,
    playlist_appearances,
    track_count,
    avg_followers,
    median_followers,
    cluster_name
from insights.artist_performance
where
    (cast(:cluster_id as integer) is null or cluster_id = cast(:cluster_id as integer))
    and (
        cast(:stage as text) is null
        or artist_rank between (
            select min(best.artist_rank) from insights.artist_performance as best
            where best.stage = cast(:stage as text)
        )
        and (
            select max(last_one.artist_rank) from insights.artist_performance as last_one
            where last_one.stage = cast(:stage as text)
        )
    )
    and (
        cast(:prefix as text) is null
        or lower(artist_name) like
        replace(replace(replace(lower(cast(:prefix as text)), '\', '\\'), '%', '\%'), '_', '\_') || '%'
    )
order by artist_rank, artist_uri
limit :limit
