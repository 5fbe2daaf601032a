{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='track_id',
    meta={'primary_key': ['track_id']},
    post_hook=["{{ remember_slices() }}"],
) }}

-- Everything here adds up slice by slice, or can only grow, so that the placements from before are not read again. A
-- track that no playlist carries any more keeps its row: it was seen.
with versions as (

    {% if is_incremental() -%}
        {{ playlist_changes() }}
    {%- else -%}
        select
            landed.*,
            case when current_versions.pid is null then 0 else 1 end as change
        from {{ ref('int_playlist_versions_titled') }} as known
        inner join {{ ref('stg_mpd__playlist_versions') }} as landed
            on known.version_id = landed.version_id
        left join {{ ref('int_playlist_versions_current') }} as current_versions
            on known.version_id = current_versions.version_id
    {%- endif %}

),

thresholds as (

    select
        max(threshold_value) filter (where threshold = 'short_list_tracks') as short_list_tracks,
        max(threshold_value) filter (where threshold = 'long_list_tracks') as long_list_tracks
    from {{ ref('recommendation_thresholds') }}

),

-- What is asked of a list is asked once, not at each of its positions: that is what the fence is for.
lists as (

    select
        versions.*,
        greatest(cardinality(versions.track_ids) - 1, 1) as last_pos,
        cardinality(versions.track_ids) < thresholds.short_list_tracks as is_short,
        cardinality(versions.track_ids) >= thresholds.long_list_tracks as is_long
    from versions
    cross join thresholds
    offset 0 -- noqa: AM09

),

counts as (

    select
        tracks.track_id,
        sum(lists.change)::integer as placements,
        coalesce(sum(lists.change) filter (where tracks.pos < 10), 0)::integer as first_ten_placements,
        coalesce(sum(lists.change) filter (where lists.is_short), 0)::integer as short_list_placements,
        coalesce(sum(lists.change) filter (where lists.is_long), 0)::integer as long_list_placements,
        -- In whole millionths of the way from the first position to the last, so that the sum is exact.
        sum(lists.change * (1000000::bigint * tracks.pos / lists.last_pos))::bigint as positions_millionths,
        min(lists.modified_at) as first_seen_at,
        max(lists.modified_at) as last_seen_at
    from lists
    cross join {{ tracks_of('lists', ['track']) }} as tracks
    group by tracks.track_id

)

{% if is_incremental() %}
    select
        counts.track_id,
        counts.placements + coalesce(counted.placements, 0) as placements,
        counts.first_ten_placements + coalesce(counted.first_ten_placements, 0) as first_ten_placements,
        counts.short_list_placements + coalesce(counted.short_list_placements, 0) as short_list_placements,
        counts.long_list_placements + coalesce(counted.long_list_placements, 0) as long_list_placements,
        counts.positions_millionths + coalesce(counted.positions_millionths, 0) as positions_millionths,
        least(counts.first_seen_at, counted.first_seen_at) as first_seen_at,
        greatest(counts.last_seen_at, counted.last_seen_at) as last_seen_at
    from counts
    left join {{ this }} as counted on counts.track_id = counted.track_id
{% else %}
    select * from counts
{% endif %}
