{#-
    A 64-bit key made from a URI, without a look-up: joining for a running number costs four times as much.
    Two URIs of one entity kind share a key with a chance of about 1 in 7 million at the size of the whole MPD; the
    unique tests on the keys of tracks, albums and artists would say so.
-#}
{% macro entity_id(uri) -%}
    hashtextextended({{ uri }}, 0)
{%- endmacro %}
