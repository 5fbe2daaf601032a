{#- Rows for which the expression is not true; a null result counts as a failure. -#}
{% test holds(model, expression) %}

    select *
    from {{ model }}
    where ({{ expression }}) is not true

{% endtest %}
