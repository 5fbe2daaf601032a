{#- Values that do not match the regular expression as a whole. -#}
{% test matches_pattern(model, column_name, pattern) %}

    select {{ column_name }}
    from {{ model }}
    where {{ column_name }} !~ '^({{ pattern }})$'

{% endtest %}
