"""The order of steps: dbt up to the features, the machine learning step, dbt on its results.

The machine learning step is handed in, since this package knows nothing of models.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from psycopg import Connection

from warehouse.database import connect, environment
from warehouse.dbt import DbtOutcome, run_dbt
from warehouse.errors import BuildInProgress
from warehouse.settings import PROJECT_ROOT

logger = logging.getLogger(__name__)

BUILD_LOCK = int.from_bytes(b"mixbuild")
SOURCES = ("dbt_project.yml", "selectors.yml", "models", "seeds", "macros", "tests/dbt", "python_ml")
"""What decides the result of a build, besides the data."""


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

    @property
    def was_needed(self) -> bool:
        """Whether anything was built."""
        return self.after_ml is not None


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
        if not force and _state(connection) == _last_state(connection):
            logger.info("event=build outcome=up_to_date")
            return BuildOutcome()
        landed = _landed(connection)
        started_at = datetime.now(UTC)
        try:
            variables = environment()
            before = run_dbt(["build", "--selector", "before_ml"], variables, on_node)
            failures = machine_learning()
            after = run_dbt(["build", "--selector", "after_ml"], variables, on_node)
        except BaseException as error:
            # On a connection of its own: a server that went away took this one with it.
            with connect(autocommit=True) as other:
                _record(other, started_at, "", str(error) or type(error).__name__)
            raise
        # What landed while we built is not in the build, and must be found missing by the next one.
        state = "" if failures else _state(connection, landed)
        _record(connection, started_at, state, "; ".join(map(str, failures)) or None)
        return BuildOutcome(before, after, failures)


def _state(connection: Connection, landed: str | None = None) -> str:
    """Digest what a build depends on and what it made.

    The made relations are known by their object numbers, so that a dropped mart, or a `dbt build` by hand, counts as a
    change.
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
    serving = connection.execute("select array_agg(run_id order by run_id) from ml.model_runs where serving").fetchone()
    return hashlib.sha256(repr((landed or _landed(connection), made, serving, _code_digest())).encode()).hexdigest()


def _landed(connection: Connection) -> str:
    rows = connection.execute(
        "select slice_id, outcome, playlists_landed, playlists_rejected from staging.slices order by slice_id"
    ).fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


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
        raise BuildInProgress("another build is running on this database; wait until it is done (`mixhouse status`)")
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute("select pg_advisory_unlock(%s)", [BUILD_LOCK])
