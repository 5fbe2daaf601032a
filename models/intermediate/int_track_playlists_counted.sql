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
appearances as (

    select distinct
        changes.pid,
        changes.slice_id,
        changes.change,
        changes.genre,
        tracks.track_id
    from changes
    cross join {{ tracks_of('changes') }} as tracks

),

counts as (

    select
        {{ record_id(['track_id', 'genre']) }} as cell_id,
        track_id,
        genre,
        sum(change)::integer as playlists
    from appearances
    group by track_id, genre
    having sum(change) != 0

),

counted as (

    {{ counted_before('cell_id', ['playlists']) }}

)

select
    counts.cell_id,
    counts.track_id,
    counts.genre,
    counts.playlists + coalesce(counted.playlists, 0) as playlists
from counts
left join counted on counts.cell_id = counted.cell_id
