{#- The first day of the month, UTC whatever the session's time zone, as a date. -#}
{% macro month_of(moment) -%}
    date_trunc('month', {{ moment }} at time zone 'UTC')::date
{%- endmacro %}
