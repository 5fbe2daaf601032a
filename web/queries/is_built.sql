-- The last model of a build: if it is there, all are.
select to_regclass('insights.overview') is not null as is_built
