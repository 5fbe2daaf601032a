{#- Rows with a null in one of the columns; one pass over the table, where `not_null` takes one for each column. -#}
{% test no_nulls(model, columns) %}

    select {{ columns | join(', ') }}
    from {{ model }}
    where {{ columns | join(' is null or ') }} is null

{% endtest %}
