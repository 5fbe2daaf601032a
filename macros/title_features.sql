{#-
    What a title says, of playlists that have landed (int_playlist_versions_titled, playlist_features) and of those that
    the web application is asked about and the database does not have: `insights.title_features`, which is made from
    the same macros.
-#}

{#- How many words a normalised title has. -#}
{% macro title_words(normalised_title) -%}
    regexp_count({{ normalised_title }}, '[^ ]+')
{%- endmacro %}

{#- How many characters a normalised title has. -#}
{% macro title_length(normalised_title) -%}
    length({{ normalised_title }})
{%- endmacro %}

{#-
    The keywords in normalised titles, of two relations in scope: `titles` (normalised_title), and `keywords` (those of
    the seed genre_keywords). A title may name several genres: the one that it names first counts, and of keywords that
    begin together the longest. That one has preference 1.
-#}
{% macro genres_named() -%}
    select
        titles.normalised_title,
        keywords.genre,
        row_number() over (
            partition by titles.normalised_title
            order by
                phrases.place asc,
                phrases.words desc
        ) as preference
    from titles
    cross join {{ phrases_of('titles.normalised_title') }} as phrases
    inner join keywords on phrases.phrase = keywords.keyword
{%- endmacro %}

{#-
    Makes the function `title_features` beside a relation. It has the rights of its owner, for its readers may not read
    seeds; it tells them nothing but what a title is taken for. Whoever gives it other columns gives it another name:
    PostgreSQL replaces a function by one of the same columns alone, and readers must never meet none.
-#}
{% macro create_title_features(relation, keywords, numbered_genres) -%}
    create or replace function {{ relation.schema }}.title_features(title text)
    returns table (
        normalised_title text,
        genre text,
        genre_number integer,
        title_words integer,
        title_length integer
    )
    language sql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
    as $features$
        with titles as (

            select {{ normalised_title('title') }} as normalised_title

        ),

        keywords as (

            select * from {{ keywords.include(database=false) }}

        ),

        mentions as (

            {{ genres_named() }}

        )

        select
            titles.normalised_title,
            mentions.genre,
            coalesce(genres.genre_number, 0),
            {{ title_words('titles.normalised_title') }},
            {{ title_length('titles.normalised_title') }}
        from titles
        left join mentions on mentions.preference = 1
        left join {{ numbered_genres.include(database=false) }} as genres on mentions.genre = genres.genre
    $features$;
    comment on function {{ relation.schema }}.title_features(text)
    is 'What models are told of a title: as it is searched for, its genre, the number of that, its words and characters.';
    {%- if _transformer_may_own(relation.schema) %}
    alter function {{ relation.schema }}.title_features(text) owner to mixhouse_transformer;
    {%- endif %}
{%- endmacro %}

{#- Whether the role that owns what dbt makes may be given a function that we make, and is not who makes it. -#}
{% macro _transformer_may_own(schema) -%}
    {%- set found = run_query(
        "select 1 from pg_roles"
        ~ " where rolname = 'mixhouse_transformer' and rolname <> current_user"
        ~ " and has_schema_privilege(oid, '" ~ schema ~ "', 'create')"
        ~ " and pg_has_role(current_user, oid, case when current_setting('server_version_num')::integer >= 160000"
        ~ " then 'set' else 'member' end)"
    ) if execute else [] -%}
    {{ return(found | length > 0) }}
{%- endmacro %}
