{#-
    Declares the foreign keys listed under `meta.foreign_keys` of each model, so that BI tools draw the joins. The
    data was tested by dbt already, so PostgreSQL is told not to check it again: not enforced from 18 on, not valid
    before. A rebuilt table loses its keys, so every run declares those that are missing.

    A key that is not valid is still checked for what comes and goes. Between the models of a run keys do not hold yet, so
    before 18 a run takes them away at its start (`drop_checked_foreign_keys`).
-#}
{% macro declare_foreign_keys() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
        {%- set version = run_query("show server_version_num").columns[0].values()[0] | int -%}
        {%- set unchecked = 'not enforced' if version >= 180000 else 'not valid' -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.package_name == project_name -%}
            {%- for key in node.config.meta.get('foreign_keys', []) -%}
                {%- set child = adapter.get_relation(node.database, node.schema, node.alias) -%}
                {%- set target_node = graph.nodes['model.' ~ project_name ~ '.' ~ key.to] -%}
                {%- set parent = adapter.get_relation(target_node.database, target_node.schema, target_node.alias) -%}
                {%- if child and parent and not _has_foreign_key(child, parent, key.column) -%}
                    {%- do run_query(
                        "alter table " ~ child ~ " add foreign key (" ~ key.column ~ ") references "
                        ~ parent ~ " (" ~ key.to_column ~ ") " ~ unchecked
                    ) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#- Whether the child has a foreign key from this column to the parent. -#}
{% macro _has_foreign_key(child, parent, column) -%}
    {%- set found = run_query(
        "select 1 from pg_constraint as con"
        ~ " inner join pg_attribute as att on con.conrelid = att.attrelid and con.conkey = array[att.attnum]"
        ~ " where con.contype = 'f' and con.conrelid = '" ~ child ~ "'::regclass"
        ~ " and con.confrelid = '" ~ parent ~ "'::regclass and att.attname = '" ~ column ~ "'"
    ) -%}
    {{ return(found | length > 0) }}
{%- endmacro %}

{#- Takes away the foreign keys between models that the server would check while the models are built. -#}
{% macro drop_checked_foreign_keys() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
        {%- set models = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') -%}
        {%- set schemas = models | map(attribute='schema') -%}
        {%- set found = run_query(
            "select conrelid::regclass::text as child, conname from pg_constraint"
            ~ " where contype = 'f' and not convalidated"
            ~ " and current_setting('server_version_num')::integer < 180000"
            ~ " and connamespace::regnamespace::text in ('" ~ schemas | unique | join("', '") ~ "')"
        ) -%}
        {%- for key in found.rows -%}
            {%- do run_query(_at_once(
                "alter table " ~ key.child ~ " drop constraint " ~ adapter.quote(key.conname) ~ ";", key.child
            )) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
