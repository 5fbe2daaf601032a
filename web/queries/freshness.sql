-- When something landed and was built, and what has landed since the last build began.
select
    (
        select max(loads.finished_at) from ops.loads
        where loads.slices_landed > 0
    ) as loaded_at,
    (
        select max(builds.finished_at) from ops.builds
        where builds.outcome = 'succeeded'
    ) as built_at,
    (
        select coalesce(sum(loads.playlists_landed), 0)
        from ops.loads
        where
            loads.finished_at > (
                select coalesce(max(builds.started_at), '-infinity')
                from ops.builds
                where builds.outcome = 'succeeded'
            )
    )::bigint as playlists_waiting
