{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='cell_id',
    merge_update_columns=['playlists'],
    meta={'primary_key': ['cell_id']},
    indexes=[{'columns': ['track_id']}],
    post_hook=["delete from {{ this }} where playlists = 0", "{{ remember_slices() }}"],
) }}

with changes as (

    {{ playlist_changes() }}

),

-- A playlist may list a track many times; an appearance counts once a playlist.
counts as (

    select
        tracks.track_id,
        changes.genre,
        sum(changes.change)::integer as playlists
    from changes
    cross join {{ distinct_of('track', 'changes') }} as tracks
    group by tracks.track_id, changes.genre
    having sum(changes.change) != 0

),

keyed as (

    select
        {{ record_id(['track_id', 'genre']) }} as cell_id,
        *
    from counts

),

counted as (

    {{ counted_before('cell_id', ['playlists']) }}

)

select
    keyed.cell_id,
    keyed.track_id,
    keyed.genre,
    keyed.playlists + coalesce(counted.playlists, 0) as playlists
from keyed
left join counted on keyed.cell_id = counted.cell_id
