{{ config(
    meta={'primary_key': ['artist_uri', 'similar_artist_uri']},
) }}

with artists as (

    select
        artist_id,
        artist_uri,
        artist_name
    from {{ ref('int_artists_measured') }}

),

thresholds as (

    select
        max(threshold_value) filter (where threshold = 'similarity_sample_playlists') as sample_playlists,
        max(threshold_value) filter (where threshold = 'similarity_max_playlist_artists') as max_playlist_artists,
        max(threshold_value) filter (where threshold = 'similarity_min_playlists') as min_playlists,
        max(threshold_value) filter (where threshold = 'similarity_min_shared_playlists') as min_shared_playlists,
        max(threshold_value) filter (where threshold = 'similarity_caution') as caution,
        max(threshold_value) filter (where threshold = 'similarity_top') as top_artists
    from {{ ref('recommendation_thresholds') }}

),

-- By their hash: a sample that looks drawn by lot, and is the same whenever it is drawn. New playlists take the place
-- of a few. One artist alone is no pair.
sampled as (

    select
        playlists.pid,
        playlists.num_artists
    from {{ ref('int_playlists_measured') }} as playlists
    cross join thresholds
    where playlists.num_artists between 2 and thresholds.max_playlist_artists
    order by {{ record_id(['playlists.pid']) }}, playlists.pid
    limit (select sample_sizes.sample_playlists::integer from thresholds as sample_sizes)

),

appearances as (

    select distinct
        sampled.pid,
        playlist_tracks.artist_id
    from sampled
    inner join {{ ref('playlist_tracks') }} as playlist_tracks on sampled.pid = playlist_tracks.pid

),

-- Artists that were dealt out at random, each as often as it appears, to playlists as long as these, would share this
-- many for each product of their playlists. It is somewhat more than one by the number of playlists, since both are
-- more likely to be in a longer one.
chance as (

    select
        sum(num_artists::double precision * (num_artists - 1))
        / sum(num_artists::double precision) ^ 2 as shared_per_product
    from sampled

),

frequent as (

    select
        appearances.artist_id,
        count(*)::integer as playlists
    from appearances
    group by appearances.artist_id
    having count(*) >= (select thresholds.min_playlists from thresholds)

),

frequent_appearances as (

    select
        appearances.pid,
        appearances.artist_id
    from appearances
    inner join frequent on appearances.artist_id = frequent.artist_id

),

pairs as (

    select
        former.artist_id as former_id,
        latter.artist_id as latter_id,
        count(*)::integer as shared_playlists
    from frequent_appearances as former
    inner join frequent_appearances as latter
        on former.pid = latter.pid and former.artist_id < latter.artist_id
    group by former.artist_id, latter.artist_id
    having count(*) >= (select thresholds.min_shared_playlists from thresholds)

),

lifted as (

    select
        pairs.former_id,
        pairs.latter_id,
        pairs.shared_playlists,
        former.playlists as former_playlists,
        latter.playlists as latter_playlists,
        former.playlists::double precision * latter.playlists * chance.shared_per_product as expected_shared_playlists,
        pairs.shared_playlists
        / (former.playlists::double precision * latter.playlists * chance.shared_per_product) as lift
    from pairs
    inner join frequent as former on pairs.former_id = former.artist_id
    inner join frequent as latter on pairs.latter_id = latter.artist_id
    cross join chance

),

-- The logarithm of a count of n is uncertain by about one by the square root of n.
scored as (

    select
        lifted.*,
        lifted.lift * exp(-thresholds.caution / sqrt(lifted.shared_playlists)) as score
    from lifted
    cross join thresholds

),

directed as (

    select
        former_id as artist_id,
        latter_id as similar_artist_id,
        former_playlists as sample_playlists,
        latter_playlists as similar_sample_playlists,
        shared_playlists,
        expected_shared_playlists,
        lift,
        score
    from scored
    where score > 1
    union all
    select
        latter_id as artist_id,
        former_id as similar_artist_id,
        latter_playlists as sample_playlists,
        former_playlists as similar_sample_playlists,
        shared_playlists,
        expected_shared_playlists,
        lift,
        score
    from scored
    where score > 1

),

ranked as (

    select
        *,
        row_number() over (
            partition by artist_id
            order by score desc, shared_playlists desc, similar_artist_id asc
        ) as similarity_rank
    from directed

)

select
    artists.artist_uri,
    similar_artists.artist_uri as similar_artist_uri,
    artists.artist_name,
    similar_artists.artist_name as similar_artist_name,
    ranked.similarity_rank::integer as similarity_rank,
    ranked.score,
    ranked.lift,
    ranked.shared_playlists,
    ranked.expected_shared_playlists,
    ranked.sample_playlists,
    ranked.similar_sample_playlists
from ranked
inner join artists on ranked.artist_id = artists.artist_id
inner join artists as similar_artists on ranked.similar_artist_id = similar_artists.artist_id
cross join thresholds
where ranked.similarity_rank <= thresholds.top_artists
