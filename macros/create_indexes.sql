{#-
    What dbt calls when a table is filled and not yet swapped in: its primary key, its indexes, and the statistics that
    the planner needs. Readers wait for the swap alone, and never meet a table without them.

    The primary key is the model's `meta.primary_key`. It stays unnamed: the old table still holds its name.
-#}
{% macro postgres__create_indexes(relation) -%}
    {%- set primary_key = config.get('meta', {}).get('primary_key') -%}
    {%- if primary_key -%}
        {%- do run_query("alter table " ~ relation ~ " add primary key (" ~ primary_key | join(", ") ~ ")") -%}
    {%- endif -%}
    {%- do default__create_indexes(relation) -%}
    {%- do run_query("analyze " ~ relation) -%}
{%- endmacro %}
