{#-
    Gives a relation that was just made to the role that owns what dbt makes, and grants what `grants` in
    dbt_project.yml lists, in the transaction that swaps it in. Only to roles that exist: they are made by
    `mixhouse db roles`, and a database works without them. dbt calls this in the place of its own.
-#}
{% macro postgres__apply_grants(relation, grant_config, should_revoke=True) -%}
    {%- if _is_for_the_transformer(relation) -%}
        {%- do run_query("alter table " ~ relation ~ " owner to mixhouse_transformer") -%}
    {%- endif -%}
    {%- set granted = {} -%}
    {%- for privilege, roles in grant_config.items() -%}
        {%- set existing = _existing_roles(roles) -%}
        {#- An empty list would tell dbt to revoke what others have been granted by hand. -#}
        {%- if existing -%}
            {%- do granted.update({privilege: existing}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do default__apply_grants(relation, granted, should_revoke) -%}
{%- endmacro %}

{#- Whether the relation lies where the role may make relations, is another's, and may be given away by us. -#}
{% macro _is_for_the_transformer(relation) -%}
    {%- set found = run_query(
        "select 1 from pg_roles"
        ~ " where rolname = 'mixhouse_transformer'"
        ~ " and has_schema_privilege(oid, '" ~ relation.schema ~ "', 'create')"
        ~ " and oid <> (select relowner from pg_class where oid = '" ~ relation ~ "'::regclass)"
        ~ " and pg_has_role(current_user, oid, case when current_setting('server_version_num')::integer >= 160000"
        ~ " then 'set' else 'member' end)"
    ) -%}
    {{ return(found | length > 0) }}
{%- endmacro %}

{#- Those of the roles that this server has. -#}
{% macro _existing_roles(roles) -%}
    {%- set found = run_query(
        "select rolname from pg_roles where rolname in ('" ~ roles | join("', '") ~ "')"
    ) -%}
    {{ return(found.columns[0].values() | list) }}
{%- endmacro %}
