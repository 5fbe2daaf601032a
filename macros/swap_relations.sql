{#-
    How a relation that was made anew takes the place of the one that people read. dbt renames the old one away, gives the
    new one its name, commits, and drops the old one; these are called in the place of its own macros. They hold that

    - nobody waits behind us for a lock: a statement that does not get its locks at once lets go of all of them and tries
      again, so that a report that runs for minutes delays the build and not the other readers;
    - we do not wait for the server's own vacuuming, which takes minutes on a large table: it gives way to who has waited
      for `deadlock_timeout`, so that where nothing else is in the way we hold on that long;
    - nobody is caught in a deadlock: the locks are taken in the order in which a query takes them, views before what they
      read;
    - views on the old relation, people's own ones too, read the new one from the same moment on. One that cannot, for it
      needs a column that is gone, or is not ours to change, goes with the old relation, as ever in dbt; the log says so.
-#}

{% macro postgres__rename_relation(from_relation, to_relation) -%}
    {%- set rename = "alter table " ~ from_relation ~ " rename to " ~ adapter.quote(to_relation.identifier) -%}
    {%- if to_relation.identifier.endswith(_backup_suffix()) -%}
        {%- do run_query(_at_once(_note_views_on(from_relation) ~ rename ~ ";", from_relation.include(database=false))) -%}
    {%- else -%}
        {%- do run_query(_at_once(rename ~ ";", from_relation.include(database=false))) -%}
        {%- do run_query(_repeat_noted_views()) -%}
    {%- endif -%}
{%- endmacro %}

{% macro postgres__drop_relation(relation) -%}
    {%- if relation.identifier.endswith(_backup_suffix()) -%}
        {%- for view in _views_on(relation) -%}
            {%- do log("The view " ~ view ~ " goes with what it was made on.", info=True) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- do run_query(_at_once(get_drop_sql(relation) ~ ";", relation.include(database=false))) -%}
    {%- if relation.identifier.endswith(_backup_suffix()) -%}
        {#- dbt believes that they went too, and would not replace what it does not know of. -#}
        {%- set successor = relation.identifier | replace(_backup_suffix(), '') -%}
        {%- for view in _views_on(relation.incorporate(path={'identifier': successor})) -%}
            {%- do adapter.cache_added(view) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#- What dbt appends to the name of a relation that is to be dropped. -#}
{% macro _backup_suffix() -%}
    {{ return('__dbt_backup') }}
{%- endmacro %}

{#- Statements of PL/pgSQL on a relation, named as in SQL, that get every lock that they need at once, or none. -#}
{% macro _at_once(statements, relation) -%}
    do $at_once$
    declare
        started timestamptz := clock_timestamp();
        tries integer := 0;
        usual text := current_setting('lock_timeout');
        patience interval := '100 milliseconds';
        found record;
    begin
        loop
            begin
                perform set_config('lock_timeout', (1000 * extract(epoch from patience))::integer::text, true);
                {{ statements }}
                perform set_config('lock_timeout', usual, true);
                exit;
            exception when lock_not_available or deadlock_detected then
                if clock_timestamp() > started + interval '1 hour' then
                    raise;
                end if;
                -- Vacuuming that prevents wraparound does not give way: we ask every few seconds.
                if tries % 10 = 0 and {{ _is_only_vacuumed(relation) }} then
                    patience := current_setting('deadlock_timeout')::interval + interval '100 milliseconds';
                else
                    patience := '100 milliseconds';
                end if;
                tries := tries + 1;
                perform pg_sleep(0.2);
            end;
        end loop;
    end
    $at_once$
{%- endmacro %}

{#-
    Whether the server's own processes are all that holds a table and what is locked with it: its overflow, and tables at the
    other end of foreign keys. That such a process has no user is seen by everybody, what it does is not.
-#}
{% macro _is_only_vacuumed(relation) -%}
    {%- set oid = "to_regclass('" ~ relation ~ "')" -%}
    (
        select coalesce(bool_and(pg_stat_activity.usesysid is null), false)
        from pg_locks
        inner join pg_stat_activity on pg_locks.pid = pg_stat_activity.pid
        where
            pg_locks.granted
            and pg_locks.pid != pg_backend_pid()
            and pg_locks.database = (select oid from pg_database where datname = current_database())
            and pg_locks.relation in (
                select {{ oid }}
                union all
                select reltoastrelid from pg_class where oid = {{ oid }}
                union all
                select unnest(array[conrelid, confrelid]) from pg_constraint where {{ oid }} in (conrelid, confrelid)
            )
    )
{%- endmacro %}

{#-
    Statements that lock the views on a relation, and keep what makes them until the transaction ends. Views on these views
    keep reading them, since `create or replace` leaves a view its identity.
-#}
{% macro _note_views_on(relation) -%}
    perform set_config('mixhouse.noted_views', '', true);
    for found in {{ _select_views_on(relation) }} loop
        begin
            -- It changes nothing, and takes the lock.
            execute format('alter view %s owner to %I', found.name, found.owner);
            perform set_config(
                'mixhouse.noted_views',
                (
                    coalesce(nullif(current_setting('mixhouse.noted_views'), ''), '[]')::jsonb
                    || jsonb_build_array(format(
                        'create or replace view %s %s as %s', found.name, found.options, pg_get_viewdef(found.oid)
                    ))
                )::text,
                true
            );
        exception when insufficient_privilege then
            null;
        end;
    end loop;
{% endmacro %}

{#- Makes the views again that were noted. -#}
{% macro _repeat_noted_views() -%}
    do $repeat$
    declare
        noted text;
    begin
        for noted in
            select jsonb_array_elements_text(
                coalesce(nullif(current_setting('mixhouse.noted_views', true), ''), '[]')::jsonb
            )
        loop
            begin
                execute noted;
            exception when syntax_error_or_access_rule_violation then
                raise warning '%: %', noted, sqlerrm;
            end;
        end loop;
        perform set_config('mixhouse.noted_views', '', true);
    end
    $repeat$
{%- endmacro %}

{#- The views that read a relation. -#}
{% macro _select_views_on(relation) -%}
    select distinct
        views.oid,
        pg_namespace.nspname,
        views.relname,
        pg_get_userbyid(views.relowner) as owner,
        format('%I.%I', pg_namespace.nspname, views.relname) as name,
        coalesce('with (' || array_to_string(views.reloptions, ', ') || ')', '') as options
    from pg_depend
    inner join pg_rewrite on pg_depend.objid = pg_rewrite.oid
    inner join pg_class as views on pg_rewrite.ev_class = views.oid
    inner join pg_namespace on views.relnamespace = pg_namespace.oid
    where
        pg_depend.classid = 'pg_rewrite'::regclass
        and pg_depend.refclassid = 'pg_class'::regclass
        and pg_depend.refobjid = to_regclass('{{ relation.include(database=false) }}')
        and views.oid != pg_depend.refobjid
        and views.relkind = 'v'
{%- endmacro %}

{% macro _views_on(relation) -%}
    {%- set views = [] -%}
    {%- for view in run_query(_select_views_on(relation)).rows -%}
        {%- do views.append(
            api.Relation.create(
                database=relation.database, schema=view.nspname, identifier=view.relname, type='view'
            )
        ) -%}
    {%- endfor -%}
    {{ return(views) }}
{%- endmacro %}
