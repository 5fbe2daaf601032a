{#- How many different elements an array has. -#}
{% macro count_distinct(array) -%}
    (select count(*) from (select distinct unnest({{ array }})) as elements)::integer
{%- endmacro %}

{#- The sum of an array of integers. -#}
{% macro sum_of(array) -%}
    (select sum(elements.element) from (select unnest({{ array }}) as element) as elements)::bigint
{%- endmacro %}

{#-
    A 64-bit digest of the elements of an array and their order: equal arrays have the same. That two of a million
    different ones share it has a chance of about 1 in 40 million.
-#}
{% macro digest_of(array) -%}
    hashtextextended(array_to_string({{ array }}, ' '), 0)
{%- endmacro %}

{#- Whether each element of each array is an id as it stands in a Spotify URI. -#}
{% macro are_spotify_ids(arrays) -%}
    array_to_string({{ arrays | join(' || ') }}, ' ') ~ '^[0-9A-Za-z]{22}( [0-9A-Za-z]{22})*$'
{%- endmacro %}

{#- How many elements of an array the other one lacks; what an array lists twice, the other must list twice. -#}
{% macro count_beyond(array, other) -%}
    (
        select count(*)
        from (
            select unnest({{ array }}) as element
            except all
            select unnest({{ other }}) as element
        ) as beyond
    )::integer
{%- endmacro %}
