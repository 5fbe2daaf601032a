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
                    '[\s!-/:-@\[-`{-~\u2000-\u206F\u2600-\u27BF\uFE00-\uFE0F\U0001F000-\U0001FAFF]+', ' ', 'g'
                )
            ),
            ''
        ),
        {{ title }}
    )
{%- endmacro %}
