"""The order of steps: dbt up to the features, the machine learning step, dbt on its results.

The machine learning step is handed in, since this package knows nothing of models.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from psycopg import Connection

from warehouse.database import connect, environment
from warehouse.dbt import DbtOutcome, run_dbt
from warehouse.errors import BuildInProgress
from warehouse.settings import PROJECT_ROOT

logger = logging.getLogger(__name__)

BUILD_LOCK = int.from_bytes(b"mixbuild")
SOURCES = ("dbt_project.yml", "selectors.yml", "models", "seeds", "macros", "tests/dbt", "python_ml")
"""The files that decide the result of a build, besides the data."""
MODELS = (
    *("dbt_project.yml", "macros", "seeds", "models/staging", "models/intermediate", "models/marts"),
    "models/insights/playlists/playlist_growth.sql",
)
"""Those of them that decide what is in a model that is built slice by slice."""
LIBRARIES = ("dbt-core", "dbt-postgres", "numpy", "pandas", "scikit-learn", "scipy")
"""The libraries that do."""


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
    full_refresh: bool = False,
    on_node: Callable[[str, int, int], None] | None = None,
) -> BuildOutcome:
    """Build everything from what has landed, unless the last build did so from the same data and code.

    Large models take in the slices that are new to them. They are built as a whole when the SQL has changed that makes
    them. Unit tests prove code, not data: they run with code that has not passed them on this database. Where the last
    build was of the same code, seeds and the views of staging are left as they are, too.

    Args:
        machine_learning: Brings the tables of schema `ml` up to date with the features; called between the two halves.
            It returns what failed: new data must reach the marts whether or not a model could be trained on them.
        force: Build even if nothing changed.
        full_refresh: Build all models as a whole; implies `force`.
        on_node: Progress of dbt: name, place and number of all each time a node starts.

    Raises:
        BuildInProgress: Another build works on this database.
        DbtFailed: A model or test failed; what was built before it stays.
        DatabaseError: No database.
    """
    with connect(autocommit=True) as connection, _only_build(connection):
        # Before anything is read: what lands or is edited from now on may not be in the build.
        inputs, last = _inputs(connection), _last_state(connection)
        if not (force or full_refresh) and _state(inputs, _serving(connection), connection) == last:
            logger.info("event=build outcome=up_to_date")
            return BuildOutcome()
        _close_abandoned(connection)
        code = _digest_of(path for path in _files(MODELS) if path.suffix != ".yml" or path.name == "dbt_project.yml")
        full_refresh = full_refresh or not _has_made_models(connection, code)
        build_id = _start(connection, code, full_refresh=full_refresh)
        options = ["--full-refresh"] if full_refresh else []
        if _is_proven(inputs, connection):
            options += ["--exclude-resource-type", "unit_test"]
        is_of_last = not (force or full_refresh) and _is_of(last, inputs, connection)
        first_half = "new_slices" if is_of_last else "before_ml"
        try:
            variables = environment()
            before = run_dbt(["build", *options, "--selector", first_half], variables, on_node)
            failures = machine_learning()
            # Before the results are read: a training that ends from now on is for the next build.
            serving = _serving(connection)
            after = run_dbt(["build", *options, "--selector", "after_ml"], variables, on_node)
        except BaseException as error:
            # On a connection of its own: a server that went away took this one with it.
            with connect(autocommit=True) as other:
                _finish(other, build_id, None, str(error) or type(error).__name__)
            raise
        state = _state(inputs, serving, connection)
        _finish(connection, build_id, state, "; ".join(map(str, failures)) or None)
        return BuildOutcome(before, after, failures)


def has_news(connection: Connection) -> bool:
    """Say whether slices have landed, models were trained, or code has changed, that the last build does not have."""
    last = _last_state(connection)
    return last is None or last.split(":")[:3] != [*_inputs(connection).split(":"), _serving(connection)]


def _state(inputs: str, serving: str, connection: Connection) -> str:
    return ":".join((inputs, serving, _made(connection)))


def _is_of(last: str | None, inputs: str, connection: Connection) -> bool:
    """Say whether the last build was of the same code, and what it made is still there."""
    if last is None:
        return False
    code, _, _, made = last.split(":")
    return code == inputs.split(":")[0] and made == _made(connection)


def _is_proven(inputs: str, connection: Connection) -> bool:
    """Say whether the last build that dbt ended well was of the same code."""
    row = connection.execute(
        "select state from ops.builds where state is not null order by build_id desc limit 1"
    ).fetchone()
    return row is not None and row[0].split(":")[0] == inputs.split(":")[0]


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _inputs(connection: Connection) -> str:
    """Digest what a build depends on: the code and libraries, and after a colon what landed."""
    landed = connection.execute(
        "select slice_id, outcome, playlists_landed, playlists_rejected from staging.slices order by slice_id"
    ).fetchall()
    code = _digest(_digest_of(_files(SOURCES)), [version(name) for name in LIBRARIES])
    return f"{code}:{_digest(landed)}"


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
    """Digest which runs serve: the trainings, and what was scored with their models since."""
    return _digest(
        connection.execute(
            "select runs.run_id from ml.model_runs as trainings"
            " inner join ml.model_runs as runs on trainings.run_id = coalesce(runs.scored_with, runs.run_id)"
            " where trainings.serving and runs.status = 'succeeded' order by runs.run_id"
        ).fetchall()
    )


def _digest_of(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(str(path.relative_to(PROJECT_ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(names: Sequence[str]) -> Iterator[Path]:
    for name in names:
        path = PROJECT_ROOT / name
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in files if file.suffix in {".sql", ".yml", ".csv", ".py"})


def _last_state(connection: Connection) -> str | None:
    """Return what the last build was built from; None if it failed, in dbt or in a model."""
    row = connection.execute(
        "select state from ops.builds where outcome = 'succeeded' and build_id = (select max(build_id) from ops.builds)"
    ).fetchone()
    return row[0] if row else None


def _has_made_models(connection: Connection, code: str) -> bool:
    """Say whether this SQL has made all models once, and no other has touched them since."""
    row = connection.execute(
        "select exists (select from ops.builds where code_sha256 = %(code)s and state is not null and build_id >"
        " (select coalesce(max(build_id), 0) from ops.builds where code_sha256 <> %(code)s))",
        {"code": code},
    ).fetchone()
    return row == (True,)


def _close_abandoned(connection: Connection) -> None:
    # Whoever holds the lock is the only one building, so a build that still says so has lost its process.
    connection.execute(
        "update ops.builds set outcome = 'failed', finished_at = clock_timestamp(),"
        " detail = 'the process that built ended early' where outcome = 'running'"
    )


def _start(connection: Connection, code: str, *, full_refresh: bool) -> int:
    [(build_id,)] = connection.execute(
        "insert into ops.builds (code_sha256, is_full_refresh) values (%s, %s) returning build_id",
        [code, full_refresh],
    ).fetchall()
    return int(build_id)


def _finish(connection: Connection, build_id: int, state: str | None, error: str | None) -> None:
    connection.execute(
        "update ops.builds set finished_at = clock_timestamp(), outcome = %s, state = %s, detail = %s"
        " where build_id = %s",
        ["failed" if error else "succeeded", state, error, build_id],
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
