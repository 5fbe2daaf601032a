{#- Values below `minimum` or above `maximum`; either may be left out. Nulls pass: `not_null` is a test of its own. -#}
{% test in_range(model, column_name, minimum=none, maximum=none) %}

    {%- set bounds = [] -%}
    {%- if minimum is not none -%}{%- do bounds.append(column_name ~ ' < ' ~ minimum) -%}{%- endif -%}
    {%- if maximum is not none -%}{%- do bounds.append(column_name ~ ' > ' ~ maximum) -%}{%- endif -%}

    select {{ column_name }}
    from {{ model }}
    where {{ bounds | join(' or ') }}

{% endtest %}
