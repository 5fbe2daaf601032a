"""Reading for pages and API: a pool of connections in the `web` role, and the queries in `web/queries`."""

import functools
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import flask
import pandas as pd
import psycopg
from flask_caching import Cache
from sqlalchemy import Connection, CursorResult, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from warehouse.database import KEEPALIVES
from warehouse.roles import ROLES
from web.problems import DatabaseAway, NotBuilt, Unprocessable

logger = logging.getLogger(__name__)

QUERIES = Path(__file__).with_name("queries")
POOL_SIZE = 8
"""As many as the server has threads, so that none waits for a connection."""
STATEMENT_TIMEOUT_MS = 15_000
_MISSING = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InvalidSchemaName,
)
STALE_SECONDS = 2.0
"""For how long an answer may be that of the build before."""

Row = dict[str, Any]


class Warehouse:
    """What the application knows of the database.

    Attributes:
        engine: SQLAlchemy's, with its pool; sessions are in the role `mixhouse_web` where the user may take it.
        cache: Results of queries, by the build and the models that they are of.
    """

    def __init__(self, cache: Cache) -> None:
        self.engine: Engine = create_engine(
            "postgresql+psycopg://",
            creator=_open,
            poolclass=QueuePool,
            pool_size=POOL_SIZE,
            max_overflow=POOL_SIZE,
            pool_timeout=5,
        )
        # A statement that is alone needs no transaction, which would cost two more ways to the server.
        self._alone = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.cache = cache
        self._version = ""
        self._version_read = -STALE_SECONDS

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection, in a transaction that is committed at the end.

        Raises:
            DatabaseAway: There is none to be had, or it broke.
            NotBuilt: A relation is not there yet.
        """
        # Those that wait in the pool may be of a server that was started again since; asking on one replaces them all.
        self.rows("is_alive")
        try:
            with self.engine.begin() as connection:
                yield connection
        except (DBAPIError, psycopg.Error) as error:
            raise _known(error) from error

    def rows(self, query: str, **parameters: object) -> list[Row]:
        """Run `web/queries/<query>.sql` and return its rows.

        Args:
            query: Name of the file, without its ending.
            parameters: Values of what stands in it as `:name`.

        Raises:
            DatabaseAway, NotBuilt: As `connection`.
        """
        _, found = self._read(query, parameters, lambda result: [dict(row) for row in result.mappings()])
        return list(found)

    def row(self, query: str, **parameters: object) -> Row | None:
        """Return the first row of a query; None if there is none."""
        found = self.rows(query, **parameters)
        return found[0] if found else None

    def cached(self, query: str, **parameters: object) -> list[Row]:
        """As `rows`, remembered until something is built or trained. The rows are not to be changed."""
        key = f"{self.version()}:{query}:{sorted(parameters.items())!r}"
        found: list[Row] | None = self.cache.get(key)
        if found is None:
            found = self.rows(query, **parameters)
            self.cache.set(key, found)
        return found

    def frame(self, query: str, **parameters: object) -> pd.DataFrame:
        """As `cached`, as a frame with the columns of the query even if it has no row."""
        key = f"{self.version()}:frame:{query}:{sorted(parameters.items())!r}"
        found: pd.DataFrame | None = self.cache.get(key)
        if found is None:
            columns, rows = self._read(query, parameters, lambda result: result.fetchall())
            found = pd.DataFrame.from_records(rows, columns=columns, coerce_float=True)
            self.cache.set(key, found)
        return found

    def _read(
        self, query: str, parameters: Mapping[str, object], take: Callable[[CursorResult[Any]], Sequence[Any]]
    ) -> tuple[list[str], Sequence[Any]]:
        """Return the columns of a query, and what is taken of its result."""

        def read() -> tuple[list[str], Sequence[Any]]:
            with self._alone.connect() as connection:
                result = connection.execute(_statement(query), parameters)
                return list(result.keys()), take(result)

        try:
            try:
                return read()
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                # Of a server that was started again since, and with it all that waited in the pool.
                return read()
        except (DBAPIError, psycopg.Error) as error:
            raise _known(error) from error

    @contextmanager
    def stream(self, query: str, **parameters: object) -> Iterator[tuple[Sequence[str], Iterator[Sequence[Any]]]]:
        """Lend the columns of a query, and its rows as they come, whatever their number."""
        with (
            self.connection() as connection,
            connection.execution_options(stream_results=True, max_row_buffer=1000).execute(
                _statement(query), parameters
            ) as result,
        ):
            yield list(result.keys()), iter(result)

    def version(self) -> str:
        """Say of which build and which models the relations are, as of `STALE_SECONDS` ago at most."""
        if time.monotonic() - self._version_read >= STALE_SECONDS:
            [row] = self.rows("version")
            self._version, self._version_read = str(row["version"]), time.monotonic()
        return self._version

    def is_built(self) -> bool:
        """Say whether the relations that pages show are there."""
        [row] = self.rows("is_built")
        return bool(row["is_built"])


def warehouse() -> Warehouse:
    """Return that of the application in hand."""
    found: Warehouse = flask.current_app.extensions["warehouse"]
    return found


@functools.cache
def _statement(query: str) -> Any:
    return text((QUERIES / f"{query}.sql").read_text(encoding="utf-8"))


def _open() -> psycopg.Connection:
    """Open a connection as the variables of libpq say, which `web.serve` has set: the server is not started by it."""
    connection = psycopg.connect(
        autocommit=True,
        application_name="mixhouse web",
        client_encoding="UTF8",
        connect_timeout=3,
        options=(
            f"-c TimeZone=UTC -c statement_timeout={STATEMENT_TIMEOUT_MS}"
            # What a filter is decides which index answers it, and what a name begins with whether one does.
            " -c plan_cache_mode=force_custom_plan"
        ),
        **KEEPALIVES,  # type: ignore[arg-type]
    )
    try:
        row = connection.execute(
            "select exists (select from pg_roles where rolname = %(role)s and pg_has_role(oid, 'member'))",
            {"role": ROLES["web"]},
        ).fetchone()
        if row == (True,):
            connection.execute(psycopg.sql.SQL("set role {}").format(psycopg.sql.Identifier(ROLES["web"])))
        connection.autocommit = False
    except BaseException:
        connection.close()
        raise
    return connection


def _known(error: Exception) -> Exception:
    """Return what an error of the database means to who asked; itself where nothing is known of it."""
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, _MISSING):
        return NotBuilt()
    if isinstance(original, psycopg.DataError):
        # A character or a number that no column can have, such as NUL in a text.
        logger.info("event=value_refused error=%r", str(original).strip().splitlines()[:1])
        return Unprocessable("What was asked for has a value that the database cannot hold.")
    if isinstance(original, psycopg.OperationalError | psycopg.InterfaceError):
        logger.warning("event=database_away error=%r", str(original).strip().splitlines()[:1])
        return DatabaseAway()
    return error
