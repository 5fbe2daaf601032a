{#-
    Declares the foreign keys listed under `meta.foreign_keys` of each model, so that BI tools draw the joins. The
    data was tested by dbt already, so PostgreSQL is told not to check it again: not enforced from 18 on, not valid
    before. A rebuilt table loses its keys, so every run declares those that are missing.
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
