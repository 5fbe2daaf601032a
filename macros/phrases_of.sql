{#-
    The phrases of one to three words in a normalised title, as something to cross join with: `phrase`, `place`, the
    number of its first word, and `words`, how many it has. To look them up is a join of equals, which takes a tenth of the
    time of searching every title for every keyword.
-#}
{% macro phrases_of(title) -%}
    lateral (
        select
            starts.place,
            lengths.words,
            array_to_string(split.title_words[starts.place:starts.place + lengths.words - 1], ' ') as phrase
        from (select string_to_array({{ title }}, ' ') as title_words) as split
        cross join lateral generate_series(1, cardinality(split.title_words)) as starts (place)
        cross join lateral generate_series(
            1, least(3, cardinality(split.title_words) - starts.place + 1)
        ) as lengths (words)
    )
{%- endmacro %}
