"""A real PostgreSQL for the tests: one embedded server a session, a fresh database a test."""

import contextlib
import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection, sql

from warehouse import embedded
from warehouse.database import connect

HOME_PREFIX = "mixhouse-tests-"
TEMPLATE = "mixhouse_template"

numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep on one worker what shares a warehouse that takes long to make; else a file at a time."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        shared = (
            "synthetic"
            if "synthetic_slices" in fixtures
            else "web"
            if {"new_web_warehouse", "browse"} & {*fixtures}
            else None
        )
        item.add_marker(pytest.mark.xdist_group(shared or str(item.path)))


@pytest.fixture(scope="session", autouse=True)
def session_home() -> Iterator[Path]:
    """A home of our own for the session, so that no test reaches the developer's database."""
    remove_abandoned_homes()
    home = Path(tempfile.mkdtemp(prefix=HOME_PREFIX))
    home.chmod(0o711)  # the server's user must pass through
    with (home / "session.lock").open("w") as lock, pytest.MonkeyPatch.context() as patch:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in list(os.environ):
            if name.startswith(("PG", "MIXHOUSE_")) or name == "DATABASE_URL":
                patch.delenv(name)
        patch.setenv("MIXHOUSE_HOME", str(home))
        patch.setenv("PGPASSFILE", str(home / "no-password-file"))
        yield home
        remove_home(home)


def remove_abandoned_homes() -> None:
    """Remove what sessions left that were killed: their lock is free."""
    for home in Path(tempfile.gettempdir()).glob(f"{HOME_PREFIX}*"):
        with contextlib.suppress(OSError), (home / "session.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_home(home)


def remove_home(home: Path) -> None:
    """Stop and remove the session's server, and those that tests made in folders of it."""
    for record in [*home.glob("server.json"), *home.glob("*/*/server.json")]:
        embedded.reset(record.parent)
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def server(session_home: Path) -> dict[str, str]:
    """The libpq parameters of a server that lives as long as the session; its data need not outlive a crash."""
    parameters = embedded.ensure_running(session_home)
    with psycopg.connect(autocommit=True, **parameters) as connection:
        connection.execute("alter system set fsync = off")
        connection.execute("select pg_reload_conf()")
    return parameters


@pytest.fixture(scope="session")
def template(server: dict[str, str]) -> str:
    """The name of a database with schema.sql applied, of which each test gets a copy."""
    run(server, "create database {}", TEMPLATE)
    with pytest.MonkeyPatch.context() as patch:
        set_variables(patch, server | {"dbname": TEMPLATE})
        connect().close()
    return TEMPLATE


@pytest.fixture
def database(server: dict[str, str], template: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a fresh database with schema.sql applied; the PG* variables lead to it for this test."""
    name = f"test_{next(numbers)}"
    # A copy of files: four times faster than the default, which writes each page to the log.
    run(server, "create database {} template {} strategy file_copy", name, template)
    set_variables(monkeypatch, server | {"dbname": name})
    yield name
    run(server, "drop database {} with (force)", name)


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    """An open connection to the test's database."""
    with contextlib.closing(connect()) as connection:
        yield connection


def set_variables(patch: pytest.MonkeyPatch, parameters: dict[str, str]) -> None:
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    for parameter, name in names.items():
        patch.setenv(name, parameters[parameter])


def run(server: dict[str, str], statement: str, *names: str) -> None:
    with psycopg.connect(autocommit=True, **server) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
