-- Rules that rows break without making a number wrong, and playlists that the loader keeps aside.
-- A warning, not an error: the reason stands beside each rule in the seed data_quality_rules.
{{ config(severity='warn') }}

select
    rule,
    rows_broken,
    reason
from {{ ref('data_quality') }}
where rows_broken > 0 and (severity = 'warn' or rows_kept_aside > 0)
