{#-
    What playlists hold, from the arrays in which stg_mpd__playlist_versions has their tracks, as something to cross join
    with. Each reads the arrays that it needs and no others, for reading them is what costs.

    Args:
        playlists: The name of what has the arrays.
-#}

{#- Their positions, by keys. -#}
{% macro tracks_of(playlists) -%}
    lateral (
        select
            (positions.ordinality - 1)::integer as pos,
            {{ entity_id("'spotify:track:' || positions.track_id") }} as track_id,
            {{ entity_id("'spotify:album:' || positions.album_id") }} as album_id,
            {{ entity_id("'spotify:artist:' || positions.artist_id") }} as artist_id
        from
            unnest({{ playlists }}.track_ids, {{ playlists }}.album_ids, {{ playlists }}.artist_ids)
            with ordinality as positions (track_id, album_id, artist_id, ordinality)
    )
{%- endmacro %}

{#- Their positions as the JSON has them, URIs without their prefix: it is to be added when there are fewer of them. -#}
{% macro named_tracks_of(playlists) -%}
    unnest(
        {{ playlists }}.track_ids,
        {{ playlists }}.track_names,
        {{ playlists }}.album_ids,
        {{ playlists }}.album_names,
        {{ playlists }}.artist_ids,
        {{ playlists }}.artist_names,
        {{ playlists }}.track_durations_ms
    ) as tracks (track, track_name, album, album_name, artist, artist_name, duration_ms)
{%- endmacro %}

{#- Their tracks or artists, each once a playlist, with the positions that it takes there. -#}
{% macro distinct_of(kind, playlists) -%}
    lateral (
        select
            {{ entity_id("'spotify:" ~ kind ~ ":' || positions.id") }} as {{ kind }}_id,
            count(*)::integer as positions
        from unnest({{ playlists }}.{{ kind }}_ids) as positions (id)
        group by positions.id
    )
{%- endmacro %}
