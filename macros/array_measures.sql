{#- How many different elements an array has. -#}
{% macro count_distinct(array) -%}
    (select count(distinct element) from unnest({{ array }}) as element)::integer
{%- endmacro %}

{#- The sum of an array of integers. -#}
{% macro sum_of(array) -%}
    (select sum(element) from unnest({{ array }}) as element)::bigint
{%- endmacro %}
