{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='cell_id',
    merge_update_columns=['playlists', 'track_appearances'],
    meta={'primary_key': ['cell_id']},
    post_hook=["delete from {{ this }} where playlists = 0", "{{ remember_slices() }}"],
) }}

with changes as (

    {{ playlist_changes() }}

),

-- An artist with ten tracks in a playlist appears there once.
counts as (

    select
        artists.artist_id,
        changes.num_followers,
        {{ month_of('changes.modified_at') }} as modified_month,
        changes.genre,
        sum(changes.change)::integer as playlists,
        sum(changes.change * artists.positions)::integer as track_appearances
    from changes
    cross join {{ distinct_of('artist', 'changes') }} as artists
    group by
        artists.artist_id,
        changes.num_followers,
        {{ month_of('changes.modified_at') }},
        changes.genre
    having sum(changes.change) != 0 or sum(changes.change * artists.positions) != 0

),

keyed as (

    select
        {{ record_id(['artist_id', 'num_followers', 'modified_month', 'genre']) }} as cell_id,
        *
    from counts

),

counted as (

    {{ counted_before('cell_id', ['playlists', 'track_appearances']) }}

)

select
    keyed.cell_id,
    keyed.artist_id,
    keyed.num_followers,
    keyed.modified_month,
    keyed.genre,
    keyed.playlists + coalesce(counted.playlists, 0) as playlists,
    keyed.track_appearances + coalesce(counted.track_appearances, 0) as track_appearances
from keyed
left join counted on keyed.cell_id = counted.cell_id
