"""People read while a build replaces what they read."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from commands import Warehouse
from psycopg import sql


@pytest.fixture
def warehouse(new_warehouse: Callable[..., Warehouse], golden_warehouse: Warehouse) -> Warehouse:
    return new_warehouse(golden_warehouse)


@contextlib.contextmanager
def in_background(work: Callable[[], object]) -> Iterator[threading.Thread]:
    """Runs it beside the test, which fails if it does."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        thread.join()
    for failure in failures:
        raise failure


def filled_relations(warehouse: Warehouse) -> list[str]:
    names = warehouse.query(
        """
        select relnamespace::regnamespace || '.' || relname
        from pg_class
        where relkind in ('r', 'v') and relnamespace::regnamespace::text in ('marts', 'insights')
        """
    )
    return [name for (name,) in names if warehouse.query(f"select exists (select from {name})") == [(True,)]]


def test_nothing_is_ever_missing_or_empty_while_everything_is_built_anew(warehouse: Warehouse, tmp_path: Path) -> None:
    names = filled_relations(warehouse)
    assert "insights.track_placements" in names
    before = dict(warehouse.query("select oid::regclass::text, oid from pg_class where relkind = 'r'"))
    polls = 0
    with (
        in_background(lambda: warehouse.dbt(tmp_path, "run", "--full-refresh")) as build,
        warehouse.connect() as connection,
    ):
        connection.autocommit = True
        while build.is_alive():
            for name in names:
                statement = sql.SQL("select exists (select from {})").format(sql.Identifier(*name.split(".")))
                assert connection.execute(statement).fetchone() == (True,), name
            polls += 1
    after = dict(warehouse.query("select oid::regclass::text, oid from pg_class where relkind = 'r'"))
    assert before["marts.playlist_tracks"] != after["marts.playlist_tracks"], "nothing was replaced"
    assert polls > 20


def test_nobody_waits_behind_a_report_that_a_build_waits_for(warehouse: Warehouse, tmp_path: Path) -> None:
    waiting = """
        select count(*) from pg_stat_activity
        where datname = current_database() and application_name = 'dbt' and query like '%lock_timeout%'
        and state = 'active' and wait_event_type in ('Lock', 'Timeout')
    """
    with warehouse.connect() as report, warehouse.connect() as reader, warehouse.connect() as watcher:
        watcher.autocommit = reader.autocommit = True
        reader.execute("set statement_timeout = '20s'")
        report.execute("select count(*) from insights.track_placements")
        report.execute("select count(*) from marts.artists")
        with in_background(lambda: warehouse.dbt(tmp_path, "run", "--select", "marts", "--full-refresh")) as build:
            seen = 0
            try:
                while seen < 20:
                    assert build.is_alive(), "the build did not wait"
                    [(waits,)] = watcher.execute(waiting).fetchall()
                    reader.execute("select count(*) from marts.artists")
                    reader.execute("select count(*) from insights.track_placements")
                    seen += waits > 0
            finally:
                report.rollback()


# That of the embedded server, and that of servers which nobody has tuned.
@pytest.mark.parametrize("deadlock_timeout", ["50ms", "1s"])
def test_a_build_does_not_wait_for_the_servers_own_vacuuming(
    warehouse: Warehouse, tmp_path: Path, deadlock_timeout: str
) -> None:
    with warehouse.connect() as connection:
        connection.execute(
            "insert into marts.playlist_tracks (pid, pos) select -1, pos from generate_series(1, 100000) as pos"
        )
        connection.execute("delete from marts.playlist_tracks where pid = -1")
        # A tenth of a second for each page: many minutes.
        connection.execute(
            "alter table marts.playlist_tracks set"
            " (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)"
        )
        connection.execute(
            sql.SQL("alter database {} set deadlock_timeout = {}").format(
                sql.Identifier(warehouse.variables["PGDATABASE"]), deadlock_timeout
            )
        )
    oid = warehouse.query("select 'marts.playlist_tracks'::regclass::oid")
    vacuums = "select relid from pg_stat_progress_vacuum where datname = current_database()"
    with warehouse.connect() as settings:
        settings.autocommit = True
        settings.execute("alter system set autovacuum_naptime = '1s'")
        settings.execute("select pg_reload_conf()")
        try:
            until = time.monotonic() + 60
            while oid[0] not in warehouse.query(vacuums):
                assert time.monotonic() < until, "it is not vacuumed"
                time.sleep(0.1)
            with in_background(
                lambda: warehouse.dbt(tmp_path, "run", "--select", "playlist_tracks", "--full-refresh")
            ) as build:
                build.join(120)
                waits = build.is_alive()
                settings.execute("alter system reset autovacuum_naptime")
                settings.execute("select pg_reload_conf()")
                settings.execute(
                    "select pg_terminate_backend(pid) from pg_stat_progress_vacuum where datname = current_database()"
                )
            assert not waits
        finally:
            settings.execute("alter system reset autovacuum_naptime")
            settings.execute("select pg_reload_conf()")
    assert warehouse.query("select 'marts.playlist_tracks'::regclass::oid") != oid


def test_views_that_people_made_on_marts_show_what_the_next_build_makes(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.connect() as connection:
        connection.execute(
            """
            create schema mine;
            create role "somebody's";
            grant usage on schema mine to "somebody's";
            create view mine."Big artists" with (security_barrier=true) as
                select artist_id, artist_name, reach from marts.artists where reach > 0;
            comment on view mine."Big artists" is 'Mine';
            grant select on mine."Big artists" to "somebody's";
            create view mine.names as select artist_name from mine."Big artists";
            create view mine.joined as
                select artists.artist_name, tracks.track_name
                from marts.artists join marts.tracks using (artist_id);
            alter table marts.artists add column extra integer;
            create view mine.extra as select extra from marts.artists;
            """
        )
    expected = warehouse.query("select count(*), count(distinct artist_name) from marts.artists where reach > 0")
    joined = warehouse.query("select count(*) from mine.joined")

    for options in ([], ["--full-refresh"]):
        with warehouse.connect() as connection:
            connection.execute("update marts.artists set reach = 0, artist_name = 'old'")
        warehouse.dbt(tmp_path, "run", "--select", "marts", *options)

        assert warehouse.query('select count(*), count(distinct artist_name) from mine."Big artists"') == expected
        assert warehouse.query("select count(distinct artist_name) from mine.names") == [expected[0][1:]]
        assert warehouse.query("select count(*) from mine.joined") == joined
        assert warehouse.query(
            """
            select obj_description(oid), reloptions, has_table_privilege('somebody''s', oid, 'select')
            from pg_class where oid = 'mine."Big artists"'::regclass
            """
        ) == [("Mine", ["security_barrier=true"], True)]
    with pytest.raises(psycopg.errors.UndefinedTable):
        warehouse.query("select * from mine.extra")
    with warehouse.connect() as connection:
        connection.execute("drop schema mine cascade")
        connection.execute('drop role "somebody\'s"')
