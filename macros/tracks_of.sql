{#-
    What playlists hold, from the arrays in which stg_mpd__playlist_versions has their tracks, as something to cross join
    with. Each reads the arrays that it needs and no others, for reading them is what costs. They are taken apart in the
    select list, where PostgreSQL hands on a row at a time; in `from` it would write out those of each playlist first.

    Args:
        playlists: The name of what has the arrays.
-#}

{#- Their positions, by keys: those of `track`, `album` and `artist`, or of some of them. -#}
{% macro tracks_of(playlists, kinds=['track', 'album', 'artist']) -%}
    {%- set arrays = [] -%}
    {%- set keys = [] -%}
    {%- for kind in kinds -%}
        {%- do arrays.append("unnest(" ~ playlists ~ "." ~ kind ~ "_ids) as " ~ kind) -%}
        {%- do keys.append(entity_id("'spotify:" ~ kind ~ ":' || positions." ~ kind) ~ " as " ~ kind ~ "_id") -%}
    {%- endfor -%}
    lateral (
        select
            positions.pos,
            {{ keys | join(', ') }}
        from (
            select
                generate_series(0, cardinality({{ playlists }}.track_ids) - 1) as pos,
                {{ arrays | join(', ') }}
        ) as positions
    )
{%- endmacro %}

{#- Their positions as the JSON has them, URIs without their prefix: it is to be added when there are fewer of them. -#}
{% macro named_tracks_of(playlists) -%}
    lateral (
        select
            unnest({{ playlists }}.track_ids) as track,
            unnest({{ playlists }}.track_names) as track_name,
            unnest({{ playlists }}.album_ids) as album,
            unnest({{ playlists }}.album_names) as album_name,
            unnest({{ playlists }}.artist_ids) as artist,
            unnest({{ playlists }}.artist_names) as artist_name,
            unnest({{ playlists }}.track_durations_ms) as duration_ms
    )
{%- endmacro %}

{#- Their tracks or artists, each once a playlist, with the positions that it takes there. -#}
{% macro distinct_of(kind, playlists) -%}
    lateral (
        select
            {{ entity_id("'spotify:" ~ kind ~ ":' || positions.id") }} as {{ kind }}_id,
            count(*)::integer as positions
        from (select unnest({{ playlists }}.{{ kind }}_ids) as id) as positions
        group by positions.id
    )
{%- endmacro %}
