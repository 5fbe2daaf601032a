"""The order of steps: dbt up to the features, the machine learning step, dbt on its results.

The machine learning step is handed in, since this package knows nothing of models.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from psycopg import Connection

from warehouse.database import connect, environment
from warehouse.dbt import DbtOutcome, run_dbt
from warehouse.errors import BuildInProgress, DbtFailed
from warehouse.settings import PROJECT_ROOT

logger = logging.getLogger(__name__)

BUILD_LOCK = int.from_bytes(b"mixbuild")
SOURCES = ("dbt_project.yml", "selectors.yml", "models", "seeds", "macros", "tests/dbt", "python_ml")
"""The files that decide the result of a build, besides the data."""
LIBRARIES = ("dbt-core", "dbt-postgres", "numpy", "pandas", "scikit-learn", "scipy")
"""The libraries that do."""
MOST_ATTEMPTS = 3
"""How often a build is tried while slices land or code changes under it."""


@dataclass(frozen=True)
class BuildOutcome:
    """What a build did.

    Attributes:
        before_ml: The first half; None when nothing had changed since the last build.
        after_ml: The second half; likewise.
        failures: What went wrong in the machine learning step; the marts then carry the results from before.
    """

    before_ml: DbtOutcome | None = None
    after_ml: DbtOutcome | None = None
    failures: Sequence[Exception] = ()


def build(
    machine_learning: Callable[[], Sequence[Exception]],
    *,
    force: bool = False,
    on_node: Callable[[str, int, int], None] | None = None,
) -> BuildOutcome:
    """Build everything from what has landed, unless the last build did so from the same data and code.

    Args:
        machine_learning: Brings the tables of schema `ml` up to date with the features; called between the two halves.
            It returns what failed: new data must reach the marts whether or not a model could be trained on them.
        force: Build even if nothing changed.
        on_node: Progress of dbt: name, place and number of all each time a node starts.

    Raises:
        BuildInProgress: Another build works on this database.
        DbtFailed: A model or test failed; what was built before it stays.
        DatabaseError: No database.
    """
    with connect(autocommit=True) as connection, _only_build(connection):
        if not force and _state(_inputs(connection), _serving(connection), connection) == _last_state(connection):
            logger.info("event=build outcome=up_to_date")
            return BuildOutcome()
        attempt = 0
        while True:
            attempt += 1
            # Before anything is read: what lands or is edited from now on may not be in the build.
            inputs = _inputs(connection)
            started_at = datetime.now(UTC)
            try:
                outcome, serving = _build_once(connection, machine_learning, on_node)
            except DbtFailed as error:
                _record(connection, started_at, "", str(error))
                if attempt == MOST_ATTEMPTS or _inputs(connection) == inputs:
                    raise
                # Models that were built before and after a slice landed do not agree.
                logger.warning("event=build_again reason='slices landed, or code changed, during the build'")
            except BaseException as error:
                # On a connection of its own: a server that went away took this one with it.
                with connect(autocommit=True) as other:
                    _record(other, started_at, "", str(error) or type(error).__name__)
                raise
            else:
                state = "" if outcome.failures else _state(inputs, serving, connection)
                _record(connection, started_at, state, "; ".join(map(str, outcome.failures)) or None)
                return outcome


def has_news(connection: Connection) -> bool:
    """Say whether slices have landed, models were trained, or code has changed, that the last build does not have."""
    last = _last_state(connection)
    return last is None or last.split(":")[:2] != [_inputs(connection), _serving(connection)]


def _build_once(
    connection: Connection,
    machine_learning: Callable[[], Sequence[Exception]],
    on_node: Callable[[str, int, int], None] | None,
) -> tuple[BuildOutcome, str]:
    """Take the steps; return also a digest of the runs that served when the second half began."""
    variables = environment()
    before = run_dbt(["build", "--selector", "before_ml"], variables, on_node)
    failures = machine_learning()
    # Before the results are read: a training that ends from now on is for the next build.
    serving = _serving(connection)
    after = run_dbt(["build", "--selector", "after_ml"], variables, on_node)
    return BuildOutcome(before, after, failures), serving


def _state(inputs: str, serving: str, connection: Connection) -> str:
    return ":".join((inputs, serving, _made(connection)))


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _inputs(connection: Connection) -> str:
    """Digest what a build depends on: what landed, and the code and libraries that make something of it."""
    landed = connection.execute(
        "select slice_id, outcome, playlists_landed, playlists_rejected from staging.slices order by slice_id"
    ).fetchall()
    return _digest(landed, _code_digest(), [version(name) for name in LIBRARIES])


def _made(connection: Connection) -> str:
    """Digest what a build made.

    Relations are known by their object numbers, so that a dropped mart, or a `dbt build` by hand, counts as a change.
    """
    made = connection.execute(
        """
        select string_agg(pg_class.oid::text, ',' order by pg_class.oid)
        from pg_class
        inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
        where
            pg_namespace.nspname in ('staging', 'intermediate', 'features', 'marts', 'insights')
            and pg_class.relkind in ('r', 'v')
        """
    ).fetchone()
    return _digest(made)


def _serving(connection: Connection) -> str:
    """Digest which runs serve."""
    return _digest(connection.execute("select run_id from ml.model_runs where serving order by run_id").fetchall())


def _code_digest() -> str:
    digest = hashlib.sha256()
    for path in _source_files():
        digest.update(str(path.relative_to(PROJECT_ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _source_files() -> Iterator[Path]:
    for name in SOURCES:
        path = PROJECT_ROOT / name
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in files if file.suffix in {".sql", ".yml", ".csv", ".py"})


def _last_state(connection: Connection) -> str | None:
    row = connection.execute("select state from ops.builds order by build_id desc limit 1").fetchone()
    return row[0] if row else None


def _record(connection: Connection, started_at: datetime, state: str, error: str | None) -> None:
    connection.execute(
        "insert into ops.builds (started_at, state, outcome, detail) values (%s, %s, %s, %s)",
        [started_at, state, "failed" if error else "succeeded", error],
    )


@contextmanager
def _only_build(connection: Connection) -> Iterator[None]:
    """Hold the lock of builds: two at once would drop each other's half-made tables."""
    row = connection.execute("select pg_try_advisory_lock(%s)", [BUILD_LOCK]).fetchone()
    if row != (True,):
        raise BuildInProgress("another build is running on this database; try again when it is done")
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute("select pg_advisory_unlock(%s)", [BUILD_LOCK])
