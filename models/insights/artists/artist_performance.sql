{{ config(
    meta={'primary_key': ['artist_uri']},
    indexes=[
        {'columns': ['artist_rank']},
        {'columns': ['playlist_appearances']},
        {'columns': ['reach']},
        {'columns': ['cluster_id', 'artist_rank']},
        {'columns': ['stage', 'artist_rank']},
        {'columns': ['cluster_id', 'artist_id']},
        {'columns': ['lower(artist_name) text_pattern_ops']},
    ],
) }}

-- Indexes for the pages: the best of a cluster, where a stage begins and ends, a sample of a cluster (an artist_id is a
-- hash, so the first ones are as good as drawn by lot), and artists whose name begins with what was typed.

with artists as (

    select * from {{ ref('artists') }}

),

stages as (

    select * from {{ ref('artist_stages') }}

),

weights as (

    select
        max(threshold_value) filter (where threshold = 'score_reach_weight') as reach,
        max(threshold_value) filter (where threshold = 'score_presence_weight') as presence
    from {{ ref('recommendation_thresholds') }}

),

everyone as (

    select
        count(*) as num_artists,
        ln(max(reach)::double precision) as log_reach,
        ln(max(playlist_appearances)::double precision) as log_appearances
    from artists

),

-- Both measures span five powers of ten, so their logarithms are compared with that of the largest: from 0, for a
-- single follower or playlist, to 1. Where nobody has more than that, all have the most.
levels as (

    select
        artists.*,
        coalesce(ln(artists.reach::double precision) / nullif(everyone.log_reach, 0), 1) as reach_level,
        coalesce(
            ln(artists.playlist_appearances::double precision) / nullif(everyone.log_appearances, 0), 1
        ) as presence_level
    from artists
    cross join everyone

),

scored as (

    select
        levels.*,
        100 * (weights.reach * levels.reach_level + weights.presence * levels.presence_level)
        / (weights.reach + weights.presence) as artist_score
    from levels
    cross join weights

),

ranked as (

    select
        *,
        rank() over (order by artist_score desc) as artist_rank,
        rank() over (order by playlist_appearances desc) as appearances_rank,
        percent_rank() over (order by playlist_appearances) as appearances_percentile,
        percent_rank() over (order by avg_followers) as followers_percentile
    from scored

),

-- The ranks that a stage takes up. Where artists are few, a stage may take up none.
stage_ranks as (

    select
        stages.stage,
        coalesce(
            lag(ceil(stages.max_rank_share * everyone.num_artists)) over (order by stages.max_rank_share), 0
        ) as ranks_before,
        ceil(stages.max_rank_share * everyone.num_artists) as last_rank
    from stages
    cross join everyone

)

select
    ranked.artist_id,
    ranked.artist_uri,
    ranked.artist_name,
    ranked.artist_score,
    ranked.artist_rank,
    stage_ranks.stage,
    ranked.reach,
    ranked.playlist_appearances,
    ranked.track_appearances,
    ranked.track_count,
    ranked.avg_followers,
    ranked.median_followers,
    ranked.appearances_rank,
    ranked.appearances_percentile,
    ranked.followers_percentile,
    ranked.cluster_id,
    ranked.cluster_name,
    ranked.similarity_score,
    ranked.last_processed
from ranked
left join stage_ranks
    on
        ranked.artist_rank > stage_ranks.ranks_before
        and ranked.artist_rank <= stage_ranks.last_rank
