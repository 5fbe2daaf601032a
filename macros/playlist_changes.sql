{#-
    How the models that are built slice by slice find what is new to them (docs/decisions/0010-built-slice-by-slice.md).

    int_playlist_versions_titled lists every version of a playlist that a build knows; it is the first model to take in
    the slices that have landed. The others remember in `ops.built_slices` which slices they contain, and take in what
    that model has beyond it. So all of them show the same playlists, also if slices land while dbt runs, and one that
    failed makes up for it the next time.

    Which version replaces which is told by slice_id: slices commit in its order (loaders/ledger.py), so that a build that
    has seen one never meets a smaller one later.
-#}

{#- The name under which a model remembers its slices. -#}
{% macro built_slices_name(relation) -%}
    '{{ relation.schema }}.{{ relation.identifier }}'
{%- endmacro %}

{#- Numbers of the slices that the model does not contain yet, written out: so the planner knows how few they are. -#}
{% macro slices_due() -%}
    {%- set known = ref('int_playlist_versions_titled') -%}
    {%- set due = [] -%}
    {%- if execute and is_incremental() -%}
        {%- set found = run_query(
            "select distinct slice_id from " ~ known ~ " where slice_id not in (select slice_id from ops.built_slices"
            ~ " where relation = " ~ built_slices_name(this) ~ ") order by slice_id"
        ) -%}
        {%- set due = found.columns[0].values() -%}
    {%- endif -%}
    {{ return(due | join(', ') or 'null') }}
{%- endmacro %}

{#- A post-hook: the model contains every slice now. It commits with the rows of the model, or not at all. -#}
{% macro remember_slices() -%}
    insert into ops.built_slices (relation, slice_id)
    select distinct
        {{ built_slices_name(this) }} as relation,
        slice_id
    from {{ ref('int_playlist_versions_titled') }}
    on conflict (relation, slice_id) do
    {%- if is_incremental() %} nothing {%- else %} update set built_at = excluded.built_at {%- endif %}
{%- endmacro %}

{#- Current versions that the model does not contain yet; all of them when it is built as a whole. -#}
{% macro new_playlists() -%}
    select
        versions.*,
        known.normalised_title,
        known.genre
    from {{ ref('int_playlist_versions_current') }} as known
    inner join {{ ref('stg_mpd__playlist_versions') }} as versions
    {%- if is_incremental() %}
        on known.pid = versions.pid and known.slice_id = versions.slice_id
    where known.slice_id in ({{ slices_due() }})
    -- A fence for the planner, which would else take the tracks of all playlists apart before it looks for the new ones.
    offset 0
    {%- else %}
        -- Of all versions the planner judges one key rightly, and of two that they hardly ever meet.
        on known.version_id = versions.version_id
    {%- endif %}
{%- endmacro %}

{#-
    Versions that change what the model holds: `change` is 1 for one to be added, and -1 for one that another has
    replaced. Counting with these signs keeps a table of counts right without counting anew. When the model is built as a
    whole, these are the current versions.
-#}
{% macro playlist_changes() -%}
    {%- if is_incremental() %}
    select
        versions.*,
        changes.genre,
        changes.change
    from (
        select
            landed.*,
            1 as change
        from {{ ref('int_playlist_versions_titled') }} as landed
        where landed.slice_id in ({{ slices_due() }})
        union all
        select
            replaced.*,
            -1 as change
        from {{ ref('int_playlist_versions_titled') }} as landed
        inner join {{ ref('int_playlist_versions_titled') }} as replaced
            on
                landed.pid = replaced.pid
                and replaced.slice_id = (
                    select max(earlier.slice_id)
                    from {{ ref('int_playlist_versions_titled') }} as earlier
                    where earlier.pid = landed.pid and earlier.slice_id < landed.slice_id
                )
        where landed.slice_id in ({{ slices_due() }})
    ) as changes
    inner join {{ ref('stg_mpd__playlist_versions') }} as versions
        on changes.pid = versions.pid and changes.slice_id = versions.slice_id
    -- A fence, as above.
    offset 0
    {%- else %}
    select
        playlists.*,
        1 as change
    from ({{ new_playlists() }}) as playlists
    {%- endif %}
{%- endmacro %}

{#-
    What a model of counts holds already: its key and its counts; nothing when it is built as a whole.

    Args:
        key: The column of a 64-bit key.
        counts: Columns of integers.
-#}
{% macro counted_before(key, counts) -%}
    {%- if is_incremental() -%}
        select {{ key }}, {{ counts | join(', ') }} from {{ this }}
    {%- else -%}
        select null::bigint as {{ key }}{% for count in counts %}, null::integer as {{ count }}{% endfor %} where false
    {%- endif -%}
{%- endmacro %}

{#-
    A pre-hook for a model whose rows are made anew wherever a version has come or gone: lists what occurs in those versions
    in the temporary table `changed`, and removes its rows. The model then makes the rows of what is in `changed`.

    Args:
        key: `pid`, `track_id` or `album_id`, the column that says what a row is about.
-#}
{% macro forget_changed(key) -%}
    {%- if is_incremental() -%}
        create temporary table changed on commit drop as
        select distinct {{ key }}
        from ({{ playlist_changes() }}) as changes
        {% if key != 'pid' -%}
            cross join {{ tracks_of('changes', [key | replace('_id', '')]) }} as tracks
        {%- endif %};
        analyze changed;
        delete from {{ this }} where {{ key }} in (select {{ key }} from changed);
    {%- endif -%}
{%- endmacro %}

{#-
    Playlists that a model has taken in since a build last ended well, or at least when it was last built: what tests of
    large tables look at.
-#}
{% macro newly_built_playlists(relation) -%}
    {%- set slices = [] -%}
    {%- set others = 0 -%}
    {%- if execute -%}
        {%- set found = run_query(
            "select slice_id, built_at = max(built_at) over () or built_at >= coalesce("
            ~ "(select max(finished_at) from ops.builds where state is not null), '-infinity') as is_new"
            ~ " from ops.built_slices where relation = " ~ built_slices_name(relation) ~ " order by slice_id"
        ) -%}
        {%- set slices = found.rows | selectattr('is_new') | map(attribute='slice_id') | list -%}
        {%- set others = found.rows | length - slices | length -%}
    {%- endif -%}
    select pid
    from {{ ref('int_playlist_versions_current') }}
    {%- if others %}
    where slice_id in ({{ slices | join(', ') }})
    {%- endif %}
{%- endmacro %}
