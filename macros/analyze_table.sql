{#- Gathers planner statistics of a table that was just built; views have none. -#}
{% macro analyze_table() -%}
    {%- if execute and model.config.materialized in ('table', 'incremental') -%}
        analyze {{ this }}
    {%- endif -%}
{%- endmacro %}
