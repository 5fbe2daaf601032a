{#- A pre-hook for a table that is filled anew in one transaction, so that what is built on it stays. -#}
{% macro remove_all_rows() -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
    {%- endif -%}
{%- endmacro %}
