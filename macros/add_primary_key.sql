{#-
    Declares the primary key of the table that was just built. The constraint stays unnamed: while tables are
    swapped the old one still holds its name.
-#}
{% macro add_primary_key(columns) -%}
    alter table {{ this }} add primary key ({{ columns | join(', ') }})
{%- endmacro %}
