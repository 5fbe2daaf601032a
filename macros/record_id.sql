{#-
    A 64-bit key made from several columns, nulls included; see entity_id for what that costs and risks. Their text is
    hashed, since PostgreSQL hashes a 64-bit number as 32 bits.
-#}
{% macro record_id(columns) -%}
    hashtextextended(row({{ columns | join(', ') }})::text, 0)
{%- endmacro %}
