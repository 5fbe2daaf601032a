"""What the row of a run and its log say, as the process that does it writes them."""

from collections.abc import Callable

import flask
import psycopg
import pytest
from psycopg import Connection

from warehouse.database import connect
from web import jobs
from web.perform import Progress
from web.problems import Conflict


@pytest.fixture
def running(connection: Connection) -> Connection:
    """A database with run 1, a build that is under way, in which nothing was ever built."""
    connection.execute(
        "insert into ops.runs (kind, requested_by, status, attempts) values ('build', 'page', 'running', 1)"
    )
    connection.commit()
    connection.autocommit = True
    return connection


def row(connection: Connection) -> tuple[object, ...] | None:
    return connection.execute("select status, result, error, step from ops.runs where run_id = 1").fetchone()


def test_runs_are_listed_a_part_at_a_time_newest_first(
    connection: Connection, new_application: Callable[..., flask.Flask]
) -> None:
    connection.execute(
        "insert into ops.runs (kind, requested_by, status, finished_at)"
        " select 'docs', 'page', 'failed', now() from generate_series(1, 5)"
    )
    connection.commit()
    client = new_application().test_client()
    found = [client.get(f"/runs?limit=2&offset={offset}").get_json() for offset in (0, 2, 4)]
    assert [[run["run_id"] for run in part["runs"]] for part in found] == [[5, 4], [3, 2], [1]]
    assert [part["next_offset"] for part in found] == [2, 4, None]
    assert client.get("/runs?limit=0").status_code == 422


def test_a_build_does_not_end_while_there_is_what_it_has_not_taken_in(running: Connection) -> None:
    progress = Progress(running, 1, 1, "demand")
    assert progress.succeed("Built.", only_without_news=True) is False
    assert row(running) == ("running", None, None, None)
    assert progress.succeed("Built.", only_without_news=False) is True
    assert row(running) == ("succeeded", "Built.", None, None)
    assert running.execute("select message from ops.run_messages").fetchall() == [("Built.",)]


def test_a_run_cannot_end_while_another_is_being_asked_for(running: Connection) -> None:
    with connect() as asking:
        with pytest.raises(Conflict, match="Run 1"):
            jobs.start_run(asking, "build", "page")
        running.execute("set lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            Progress(running, 1, 1, "demand").succeed("Built.", only_without_news=False)
        asking.rollback()
    assert Progress(running, 1, 1, "demand").succeed("Built.", only_without_news=False) is True


def test_an_attempt_that_was_lost_has_a_line_in_the_log(running: Connection) -> None:
    assert jobs._begin(1) == 2
    [(level, message)] = running.execute("select level, message from ops.run_messages").fetchall()
    assert (level, message) == ("WARNING", "Begun again, attempt 2 of 3: the one before was lost.")


def test_a_failure_says_why_and_a_late_one_says_nothing(running: Connection) -> None:
    Progress(running, 1, 9, "demand").fail("late")
    assert row(running) == ("running", None, None, None)
    Progress(running, 1, 1, "demand").fail("There is too little.")
    assert row(running) == ("failed", None, "There is too little.", None)
