{#- Schemas are named as they are configured: people and BI tools see `marts`, not `<target>_marts`. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
