"""What a process leaves that is killed at some step of a training or a scoring, and that the next run is clean.

Locks of ours hold the process up where it is to be killed, and the server tells that it is there.
"""

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from typing import NamedTuple

import psycopg
import pytest
from psycopg import Connection

from python_ml.model_manager import keep_fresh, train_all
from python_ml.train_models import TRAINING_LOCK
from warehouse.database import connect

VICTIM = "victim"
DEADLINE_SECONDS = 60
POPULARITY, TRENDS = "playlist_popularity", "artist_trends"
VIEWS = {POPULARITY: "features.playlist_features", TRENDS: "features.artist_features"}
RESULTS = {POPULARITY: "ml.playlist_predictions", TRENDS: "ml.artist_clusters"}
# Features of fewer than are trained for change, so that a run that keeps models fresh scores.
CHANGED = 3

# What a process calls, by name. It is forked from one that has the libraries in memory, which takes seconds to import.
TRAIN, SCORE = "train", "score"
forkserver = multiprocessing.get_context("forkserver")
forkserver.set_forkserver_preload(["python_ml.model_manager"])


def run(call: str, model: str, variables: dict[str, str]) -> None:
    """In the process that is killed: train or score a model."""
    os.environ.update(variables)
    if call == TRAIN:
        train_all(connect, trigger="demand", models=[model])
    else:
        keep_fresh(connect, trigger="build")


class Moment(NamedTuple):
    """A point that a process reaches.

    Attributes:
        statement: What its latest statement starts with, `%` standing for anything.
        hold: The statement of ours whose lock it waits for there; None where it waits for nothing and calculates.
    """

    statement: str
    hold: str | None = None


# `{view}` and `{results}` are those of the model. A process comes to the last moment by way of those before.
LOCK_VIEW, LOCK_RESULTS = "lock table {view} in access exclusive mode", "lock table {results} in share mode"
LOCK_RUNS, LOCK_METRICS = "lock table ml.model_runs in share mode", "lock table ml.model_metrics in share mode"
READING = Moment("copy (select", LOCK_VIEW)
PUBLISHING_ROWS = Moment("copy ", LOCK_RESULTS)
TRAINING = {
    "reading": [READING],
    "fitting": [Moment("select % from ml.%serving")],
    "publishing rows": [PUBLISHING_ROWS],
    "publishing metrics": [Moment("insert into ml.model_metrics", LOCK_METRICS)],
    "letting it serve": [PUBLISHING_ROWS, Moment("update ml.model_runs set serving", LOCK_RUNS)],
}
STARTING = [Moment("select count(*)", LOCK_VIEW), Moment("insert into ml.model_runs", LOCK_RUNS)]
SCORING = {
    "reading": [*STARTING, READING],
    "scoring": [*STARTING, Moment("select encode(sha256", "lock table ml.models in access exclusive mode")],
    "publishing rows": [PUBLISHING_ROWS],
    "letting them count": [PUBLISHING_ROWS, Moment("update ml.model_runs set status", LOCK_RUNS)],
}


@pytest.fixture(scope="module")
def template(server, template, store, playlists, artists) -> Iterator[str]:
    """The name of a database in which both models serve, of which each test here gets a copy."""
    name = "trained_template"
    with psycopg.connect(autocommit=True, **server) as administration, pytest.MonkeyPatch.context() as patch:
        administration.execute(f"create database {name} template {template}")
        for parameter in ("host", "port", "user", "password"):
            patch.setenv(f"PG{parameter.upper()}", server[parameter])
        patch.setenv("PGDATABASE", name)
        with contextlib.closing(connect()) as connection:
            store(connection, playlists.head(60), artists)
        assert [outcome.error for outcome in train_all(connect, trigger="demand")] == [None, None]
        yield name
        administration.execute(f"drop database {name} with (force)")


@pytest.fixture
def trained(connection) -> Connection:
    """A connection to a database in which both models serve."""
    connection.autocommit = True
    return connection


def change(connection: Connection, model: str) -> None:
    """Give a few rows of a feature view other features than those that were scored."""
    connection.execute(
        f"update {VIEWS[model]} set features_digest = -1 - features_digest where features_digest < {CHANGED}"
    )


def what_serves(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Everything that readers see of models, row for row, but the run that was killed."""
    relations = {
        "ml.model_runs": "where status <> 'running' and error is null",
        **dict.fromkeys(["ml.models", "ml.model_metrics", "ml.feature_importances"], ""),
        **dict.fromkeys(["ml.playlist_predictions", "ml.artist_clusters"], ""),
        **dict.fromkeys(["ml.serving_predictions", "ml.serving_clusters"], ""),
    }
    return {
        relation: connection.execute(
            f"select {relation.removeprefix('ml.')}::text from {relation} {where} order by 1"
        ).fetchall()
        for relation, where in relations.items()
    }


def kill_at(connection: Connection, call: str, model: str, moments: Sequence[Moment]) -> None:
    """Start a process, hold it up at one moment after the other, and kill it at the last."""
    with contextlib.ExitStack() as stack:
        held = connection
        process = None
        for moment in moments:
            following = stack.enter_context(contextlib.closing(connect()))
            if moment.hold:
                following.execute(moment.hold.format(view=VIEWS[model], results=RESULTS[model]))
            if process is None:
                process = stack.enter_context(victim(call, model))
            held.rollback()
            held = following
            wait_for(lambda moment=moment: is_at(connection, moment), process)
        assert process is not None
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    # The server looks for its client when the statement that it is at ends.
    wait_for(lambda: not sessions(connection, "true"))


@contextlib.contextmanager
def victim(call: str, model: str) -> Iterator[BaseProcess]:
    variables = {name: value for name, value in os.environ.items() if name.startswith("PG")}
    process = forkserver.Process(target=run, args=(call, model, variables | {"PGAPPNAME": VICTIM}))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def is_at(connection: Connection, moment: Moment) -> bool:
    state = "wait_event_type = 'Lock'" if moment.hold else "state = 'idle'"
    return bool(sessions(connection, f"{state} and query like '{moment.statement}%'"))


def sessions(connection: Connection, condition: str) -> list[tuple[object, ...]]:
    return connection.execute(
        f"select pid from pg_stat_activity where application_name = '{VICTIM}' and {condition}"
    ).fetchall()


def wait_for(condition: Callable[[], bool], process: BaseProcess | None = None) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        assert process is None or process.is_alive(), "the process ended before it was killed"
        time.sleep(0.002)


def assert_next_runs_are_clean(connection: Connection, model: str, killed: int) -> None:
    """Score what changed and train again; the first of them tells of the run that was killed."""
    scored = keep_fresh(connect, trigger="build")
    assert [(run.model, run.rows_read, run.error) for run in scored] == [(model, CHANGED, None)]
    closed = connection.execute(
        "select status, serving, error, finished_at is not null from ml.model_runs where run_id = %s", [killed]
    ).fetchone()
    assert closed == ("failed", False, "its process ended early", True)
    [again] = train_all(connect, trigger="demand", models=[model])
    assert again.error is None
    serving = connection.execute("select run_id from ml.model_runs where model = %s and serving", [model]).fetchall()
    assert serving == [(again.run_id,)]
    running = connection.execute("select count(*) from ml.model_runs where status = 'running'").fetchone()
    assert running == (0,)


def is_lock_free(connection: Connection) -> bool:
    [(taken,)] = connection.execute(
        "select pg_try_advisory_lock(%(lock)s) and pg_advisory_unlock(%(lock)s)", {"lock": TRAINING_LOCK}
    ).fetchall()
    return bool(taken)


STEPS = [
    *(pytest.param(TRAIN, moments, id=f"training, {step}") for step, moments in TRAINING.items()),
    *(pytest.param(SCORE, moments, id=f"scoring, {step}") for step, moments in SCORING.items()),
]


@pytest.mark.parametrize("model", [POPULARITY, TRENDS])
@pytest.mark.parametrize(("call", "moments"), STEPS)
def test_a_process_killed_at_any_step_leaves_all_as_it_was_and_the_next_runs_are_clean(
    trained, model, call, moments
) -> None:
    change(trained, model)
    before = what_serves(trained)

    kill_at(trained, call, model, moments)

    [(killed, of)] = trained.execute("select run_id, model from ml.model_runs where status = 'running'").fetchall()
    assert of == model
    assert what_serves(trained) == before
    assert is_lock_free(trained)
    assert_next_runs_are_clean(trained, model, killed)


def test_a_process_killed_after_its_results_serve_leaves_them_and_the_next_deletes_what_is_old(trained) -> None:
    # Five later trainings made the first one old, and the process waits for one of its rows when it deletes them.
    trained.execute(
        "insert into ml.model_runs (model, trigger, status, params, library_versions)"
        " select 'artist_trends', 'demand', 'succeeded', '{}', '{}' from generate_series(1, 5)"
    )
    old = "select min(run_id) from ml.model_runs where model = 'artist_trends'"
    hold = f"select from ml.artist_clusters where run_id = ({old}) for update"

    kill_at(trained, TRAIN, TRENDS, [Moment("delete from %artist_clusters", hold)])

    serving = trained.execute(
        "select run_id = (select max(run_id) from ml.model_runs), status, error from ml.model_runs"
        " where model = 'artist_trends' and serving"
    ).fetchall()
    assert serving == [(True, "succeeded", None)]
    assert trained.execute("select count(*) from ml.serving_clusters").fetchone() == (150,)
    of_old = f"select count(*) from ml.artist_clusters where run_id = ({old})"
    assert trained.execute(of_old).fetchone() == (150,)
    assert is_lock_free(trained)

    [again] = train_all(connect, trigger="demand", models=[TRENDS])

    assert again.error is None
    assert trained.execute(of_old).fetchone() == (0,)
