-- The group roles of the warehouse, and what each may do in this database: docs/decisions/0009-database-roles.md.
-- `mixhouse db roles` applies this file in one transaction; every statement may run again. Privileges that an earlier
-- version gave and this one does not are taken back.
--
-- Whoever adds a table to schema.sql says here who uses it. Relations that dbt makes are granted as they are made, by
-- `+grants` in dbt_project.yml; what is there already is granted here.

-- Roles belong to the whole server, so that they may exist from another database.
do $$
declare
    role_name text;
begin
    foreach role_name in array array[
        'mixhouse_loader', 'mixhouse_transformer', 'mixhouse_ml', 'mixhouse_web', 'mixhouse_reporter'
    ] loop
        if not exists (select from pg_roles where rolname = role_name) then
            execute format('create role %I nologin', role_name);
        end if;
    end loop;
    -- Only a member can hand relations over to a role; a superuser is one of each.
    if not (select rolsuper from pg_roles where rolname = current_user) then
        grant mixhouse_transformer to current_user;
    end if;
    -- For databases that have taken these from everybody.
    execute format(
        'grant connect on database %I to '
        'mixhouse_loader, mixhouse_transformer, mixhouse_ml, mixhouse_web, mixhouse_reporter',
        current_database()
    );
    execute format('grant temporary on database %I to mixhouse_loader, mixhouse_transformer', current_database());
end
$$;

comment on role mixhouse_loader is 'Mixhouse: lands slices in schema staging.';
comment on role mixhouse_transformer is 'Mixhouse: runs dbt, and owns what dbt makes.';
comment on role mixhouse_ml is 'Mixhouse: reads schema features, writes schema ml.';
comment on role mixhouse_web is 'Mixhouse: reads schemas marts, insights, ml and ops for an application.';
comment on role mixhouse_reporter is 'Mixhouse: reads schemas marts and insights, for people and BI tools.';

create schema if not exists intermediate;
create schema if not exists features;
create schema if not exists marts;
create schema if not exists insights;

-- What dbt makes belongs to the role, not to whoever ran it first: only an owner can replace a table.
do $$
declare
    schema_name text;
    relation regclass;
begin
    for schema_name in
        select nspname
        from pg_namespace
        where
            nspname in ('intermediate', 'features', 'marts', 'insights')
            and nspowner <> 'mixhouse_transformer'::regrole
    loop
        execute format('alter schema %I owner to mixhouse_transformer', schema_name);
    end loop;
    grant usage, create on schema staging to mixhouse_transformer;
    for relation in
        select pg_class.oid
        from pg_class
        inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
        where
            (
                pg_namespace.nspname in ('intermediate', 'features', 'marts', 'insights')
                or (pg_namespace.nspname = 'staging' and pg_class.relname like 'stg\_%')
            )
            and pg_class.relkind in ('r', 'p', 'v', 'm')
            and pg_class.relowner <> 'mixhouse_transformer'::regrole
    loop
        execute format('alter table %s owner to mixhouse_transformer', relation);
    end loop;
    if to_regprocedure('insights.title_features(text)') is not null then
        alter function insights.title_features(text) owner to mixhouse_transformer;
    end if;
end
$$;

revoke all on schema staging, intermediate, features, ml, marts, insights, ops
from mixhouse_loader, mixhouse_ml, mixhouse_web, mixhouse_reporter;
revoke all on all tables in schema staging, intermediate, features, ml, marts, insights, ops
from mixhouse_loader, mixhouse_ml, mixhouse_web, mixhouse_reporter;
revoke all on schema ml, ops from mixhouse_transformer;
revoke all on all tables in schema ml, ops from mixhouse_transformer;
revoke all on staging.slices, staging.playlists, staging.rejects from mixhouse_transformer;

-- Loading. A landed playlist is never changed: another version comes, and the earlier one is marked as superseded.
grant usage on schema staging, ops to mixhouse_loader;
grant select, insert on staging.slices, staging.playlists, staging.rejects, ops.loads to mixhouse_loader;
grant select on staging.playlist_documents, staging.open_rejects to mixhouse_loader;
grant update on staging.slices, ops.loads to mixhouse_loader;
grant update (superseded_at) on staging.playlists to mixhouse_loader;

-- Transforming.
grant usage on schema ml, ops to mixhouse_transformer;
grant select on all tables in schema staging, ml to mixhouse_transformer;
grant select, insert, update on ops.builds, ops.built_slices to mixhouse_transformer;
-- The worker builds, and trains as well where its user has that role too.
grant select, insert, update on ops.runs to mixhouse_transformer;
grant select, insert on ops.run_messages to mixhouse_transformer;

-- Machine learning. Results stay as they are until those of old runs are deleted (python_ml/results.py); only the row
-- of a run tells how it went on.
grant usage on schema features, ml to mixhouse_ml;
grant select on all tables in schema features to mixhouse_ml;
grant select, insert on all tables in schema ml to mixhouse_ml;
revoke insert on ml.serving_predictions, ml.serving_clusters from mixhouse_ml;
grant update on ml.model_runs to mixhouse_ml;
grant delete on ml.playlist_predictions, ml.artist_clusters, ml.models to mixhouse_ml;
do $$
begin
    -- Before version 17 only the owner gathers statistics; there, autovacuum does within a minute or so.
    if current_setting('server_version_num')::integer >= 170000 then
        execute 'grant maintain on all tables in schema ml to mixhouse_ml';
    end if;
end
$$;

-- Serving. The queue of runs is granted by `warehouse.roles.grant_queue`, for it is there only once it is used.
grant usage on schema marts, insights, ml, ops to mixhouse_web;
grant select on all tables in schema marts, insights, ml, ops to mixhouse_web;
grant insert on ops.runs to mixhouse_web;

-- Reporting.
grant usage on schema marts, insights to mixhouse_reporter;
grant select on all tables in schema marts, insights to mixhouse_reporter;
