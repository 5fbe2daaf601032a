{#-
    A title without what tells spellings apart: case, punctuation, emoji, blanks. One that is nothing else stays as it is.
    Letters beyond ASCII keep their case, for what the lower case of them is depends on the server.
-#}
{% macro normalised_title(title) -%}
    coalesce(
        nullif(
            trim(
                regexp_replace(
                    lower({{ title }} collate "C"),
                    '[\s!-/:-@\[-`{-~\u00A0\u2000-\u206F\u20E3\u2190-\u21FF\u2300-\u23FF\u2600-\u27BF\u2B00-\u2BFF\u3000'
                    '\uFE00-\uFE0F\U0001F000-\U0001FAFF]+', ' ', 'g'
                )
            ),
            ''
        ),
        {{ title }}
    )
{%- endmacro %}
