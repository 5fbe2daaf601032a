"""The way to the database: `DATABASE_URL`, else the libpq variables, else the embedded server.

`DATABASE_URL` wins over variables that say the same; what it leaves open comes from them, as in `psql "$DATABASE_URL"`.
"""

import hashlib
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import Connection, errors, pq
from psycopg.conninfo import conninfo_to_dict

from warehouse import embedded
from warehouse.errors import DatabaseError, DatabaseUnfit, DatabaseUnreachable
from warehouse.settings import home

__all__ = ["DatabaseError", "DatabaseUnfit", "DatabaseUnreachable", "connect", "environment"]

logger = logging.getLogger(__name__)

SERVER_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE")
"""The libpq variables that say which server is meant; if none is set, it is the embedded one."""
EMBEDDED = "the embedded server"
OLDEST_SERVER = 15
SCHEMA_FILE = Path(__file__).with_name("schema.sql")
SCHEMA_LOCK = 0x6D697868
"""The advisory lock under which tables are made (`mixh` in hexadecimal)."""
CONNECT_TIMEOUT_SECONDS = 10
KEEPALIVES = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
"""So that either side notices within a minute that the other is gone, and locks do not stay for hours."""


@dataclass(frozen=True)
class _Way:
    """How to connect: who says so, and the libpq parameters that they give."""

    source: str
    parameters: dict[str, str]


def connect(*, autocommit: bool = False) -> Connection:
    """Open a connection to the warehouse, with the tables that Python writes in place.

    The session has UTF-8, the time zone UTC, and the application name `mixhouse` unless the caller's variables name
    another. The embedded server is created and started when it is the one meant.

    Raises:
        DatabaseUnreachable: there is no such server, or it lets us in under no such name and password.
        DatabaseUnfit: the server is too old, the database not UTF-8, or it lacks our tables and we may not make them.
        DatabaseError: the embedded server cannot be started (`warehouse.errors.EmbeddedServerError`).
    """
    connection = _open(_way())
    try:
        _check(connection)
        _apply_schema(connection)
        connection.autocommit = autocommit
    except BaseException:
        connection.close()
        raise
    return connection


def environment() -> dict[str, str]:
    """Return the libpq variables that lead other programs (dbt, psql, BI tools) to the same database.

    Returns:
        `PGHOST`, `PGPORT`, `PGUSER` and `PGDATABASE` always, as the server in use has them; `PGPASSWORD`, `PGSSLMODE`
        and other variables of libpq as the caller or `DATABASE_URL` sets them; `PGTZ` and `PGCLIENTENCODING` as in
        `connect`. Parameters of a URL for which libpq has no variable (such as `keepalives`) are left out.

    Raises:
        DatabaseError: as `connect`.
    """
    way = _way()
    names = {option.keyword.decode(): option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar}
    variables = {name: os.environ[name] for name in names.values() if os.environ.get(name)}
    variables |= {names[parameter]: value for parameter, value in way.parameters.items() if parameter in names}
    with connect() as connection:
        info = connection.info
        variables |= {
            "PGHOST": info.host,
            "PGPORT": str(info.port),
            "PGUSER": info.user,
            "PGDATABASE": info.dbname,
            "PGCLIENTENCODING": "UTF8",
            "PGTZ": "UTC",
        }
        # It may come from a file, of which not every program knows.
        if info.password:
            variables["PGPASSWORD"] = info.password
        # Of several addresses that were offered, the one that answered.
        if "PGHOSTADDR" in variables:
            variables["PGHOSTADDR"] = info.hostaddr
    return variables


def uses_embedded_server() -> bool:
    """Say whether nothing in the environment names a server."""
    return not os.environ.get("DATABASE_URL") and not any(os.environ.get(name) for name in SERVER_VARIABLES)


def _way() -> _Way:
    if url := os.environ.get("DATABASE_URL"):
        return _Way("DATABASE_URL", _read_url(url))
    if named := [name for name in SERVER_VARIABLES if os.environ.get(name)]:
        return _Way(", ".join(named), {})
    return _Way(EMBEDDED, embedded.ensure_running(home()))


def _read_url(url: str) -> dict[str, str]:
    """Return the parameters of a URL or of a `key=value` text; complaints never quote it, for it has a password."""
    # SQLAlchemy names its driver, and Heroku says postgres.
    plain = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url)
    try:
        parameters = {name: str(value) for name, value in conninfo_to_dict(plain).items()}
    except psycopg.ProgrammingError:
        parameters = {}
    ports = parameters.get("port", "").replace(",", "")
    if not parameters or (ports and not ports.isdigit()):
        raise DatabaseUnreachable(
            "DATABASE_URL cannot be read. Write it as postgresql://user:password@host:port/database, with %40 for @, "
            "%2F for / and %25 for % inside the password."
        )
    for name in ("PGSERVICE", "PGHOSTADDR"):
        if os.environ.get(name):
            raise DatabaseUnreachable(f"DATABASE_URL and {name} name two servers. Unset one of them.")
    return parameters


def _open(way: _Way) -> Connection:
    defaults = {"fallback_application_name": "mixhouse", "client_encoding": "UTF8"} | KEEPALIVES
    if "connect_timeout" not in way.parameters and not os.environ.get("PGCONNECT_TIMEOUT"):
        defaults["connect_timeout"] = str(CONNECT_TIMEOUT_SECONDS)
    try:
        return psycopg.connect(autocommit=True, **(way.parameters | defaults))  # type: ignore[arg-type]
    except psycopg.Error as error:
        raise DatabaseUnreachable(
            f"Cannot reach PostgreSQL {_address(way)}: {_reason(error)}. Check {way.source}"
            + ("." if way.source == EMBEDDED else "; without it, the embedded server is used.")
        ) from error


def _address(way: _Way) -> str:
    """Say which server and database is meant, and never the password."""
    known = {
        option.keyword.decode(): option.val.decode() for option in pq.Conninfo.get_defaults() if option.val
    } | way.parameters
    host = known.get("host") or known.get("hostaddr") or "(local socket)"
    return f"at {host}:{known.get('port')}, database {known.get('dbname') or known.get('user')}, as {known.get('user')}"


def _reason(error: psycopg.Error) -> str:
    """Shorten libpq's text of several lines to the server's or the system's own words."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return re.sub(r"^.*(?:failed: |is bad: |FATAL: +|\[Errno -?\d+\] )", "", first).rstrip(".")


def _check(connection: Connection) -> None:
    info = connection.info
    if info.server_version < OLDEST_SERVER * 10000:
        raise DatabaseUnfit(
            f"The server at {info.host}:{info.port} is PostgreSQL {info.server_version // 10000}. "
            f"Mixhouse needs {OLDEST_SERVER} or later."
        )
    if (encoding := info.parameter_status("server_encoding")) != "UTF8":
        raise DatabaseUnfit(
            f"The database {info.dbname} at {info.host}:{info.port} stores {encoding}, and titles need UTF8. "
            "Make another with `create database ... encoding 'UTF8' template template0`."
        )


def _apply_schema(connection: Connection) -> None:
    """Make the tables of schema.sql unless the database says that it has this version of them."""
    schema = SCHEMA_FILE.read_text(encoding="utf-8")
    layout = re.findall(r"^-- Layout (\d+)\.", schema, flags=re.MULTILINE)[0]
    digest = hashlib.sha256(schema.encode()).hexdigest()
    stamp = f"What Mixhouse did and when. Tables of layout {layout}, as of schema.sql {digest}"
    tables = re.findall(r"^create table if not exists (\S+)", schema, flags=re.MULTILINE)
    found = connection.execute(_PREPARE_SESSION, {"tables": tables}).fetchone()
    if found and found[:2] == (stamp, len(tables)):
        return
    if found and found[0] and f"layout {layout}," not in found[0]:
        raise DatabaseUnfit(
            f"The tables in database {connection.info.dbname} were made by another version of Mixhouse, and hold "
            "playlists in another form. Remove them (`mixhouse db reset`, or drop the schemas staging, ml and ops "
            "with cascade) and load your slices again."
        )
    try:
        with connection.transaction():
            # Creating what exists makes notices, and nobody needs them.
            connection.execute("set local client_min_messages = warning")
            connection.execute("select pg_advisory_xact_lock(%s)", [SCHEMA_LOCK])
            connection.execute(schema.encode())
            connection.execute(psycopg.sql.SQL("comment on schema ops is {}").format(stamp))
    except errors.InsufficientPrivilege as error:
        info = connection.info
        if not (found and found[0]):
            raise DatabaseUnfit(
                f"The database {info.dbname} at {info.host}:{info.port} lacks Mixhouse's tables, and {info.user} may "
                "not make them. Connect once as its owner."
            ) from error
        logger.warning("event=schema_not_applied user=%s reason=%s", info.user, error.diag.message_primary)
    else:
        logger.info("event=schema_applied database=%s", connection.info.dbname)


_PREPARE_SESSION = """
    select
        obj_description(to_regnamespace('ops'), 'pg_namespace') as stamp,
        (
            select count(*)
            from pg_class
            inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
            where pg_namespace.nspname || '.' || pg_class.relname = any(%(tables)s)
        ) as tables,
        set_config('TimeZone', 'UTC', false) as time_zone,
        set_config('tcp_keepalives_idle', '30', false) as keepalives_idle,
        set_config('tcp_keepalives_interval', '10', false) as keepalives_interval,
        set_config('tcp_keepalives_count', '3', false) as keepalives_count
"""
