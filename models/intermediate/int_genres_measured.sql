{{ config(
    meta={'primary_key': ['genre']},
) }}

select
    genre,
    count(*)::integer as playlists,
    sum(num_followers)::bigint as followers,
    avg(num_followers)::double precision as avg_followers,
    percentile_cont(0.5) within group (order by num_followers) as median_followers,
    percentile_cont(0.5) within group (order by num_tracks) as median_tracks,
    percentile_cont(0.5) within group (order by num_artists) as median_artists,
    percentile_cont(0.5) within group (order by duration_ms) as median_duration_ms,
    mode() within group (order by normalised_title collate "C") as usual_title,
    -- What a track, or an artist, that is like all others would have in playlists of the genre. Longer playlists carry
    -- more, so these are not shares of playlists.
    (sum(num_distinct_tracks) / sum(sum(num_distinct_tracks)) over ())::double precision as track_share,
    (sum(num_artists) / sum(sum(num_artists)) over ())::double precision as artist_share
from {{ ref('int_playlists_measured') }}
where genre is not null
group by genre
