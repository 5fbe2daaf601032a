"""A real PostgreSQL for the tests: one embedded server a session, a fresh database a test."""

import contextlib
import fcntl
import itertools
import os
import pwd
import re
import shutil
import socket
import subprocess
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
OLDEST, EMBEDDED = 15, 18

numbers = itertools.count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep on one worker what shares a warehouse that takes long to make; else a file at a time.

    Before pytest-xdist looks for the marks, which it does in the same hook.
    """
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        shared = (
            "synthetic"
            if "synthetic_slices" in fixtures
            else "older"
            if "older_server" in fixtures
            else "web"
            if {"new_web_warehouse", "browse"} & {*fixtures}
            else None
        )
        item.add_marker(pytest.mark.xdist_group(shared or item.location[0]))


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


def installed_servers() -> list[Path]:
    """The program folders of PostgreSQL servers here that are supported and not the embedded version, oldest first."""
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.environ["PATH"].split(os.pathsep))]
    found = {}
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            told = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
            version = re.search(r"(\d+)", told)
            if version and OLDEST <= int(version[1]) < EMBEDDED:
                found[int(version[1])] = folder
    return [found[version] for version in sorted(found)]


@pytest.fixture(scope="session")
def older_server(session_home: Path) -> Iterator[dict[str, str]]:
    """The variables of libpq that lead to the oldest supported server on this machine that is not the embedded one."""
    folders = installed_servers()
    if not folders:
        if os.environ.get("CI"):
            pytest.fail("CI has no PostgreSQL 15 to 17; .ci/run installs one")
        pytest.skip("no PostgreSQL 15 to 17 on this machine")
    programs = folders[0]
    # Not in pytest's own folder: each session that starts closes it to other users, and so to a running server.
    home = session_home / "older"
    home.mkdir()
    # PostgreSQL refuses to run as root, and initdb wants a user that the system knows.
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:
        shutil.chown(home, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = home / "data"
    account = {"user": user} if os.geteuid() == 0 else {}
    # The embedded server sorts by code point, most others as a dictionary does.
    sorting = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "someone", "--auth=trust", "--encoding=UTF8", *sorting],
        check=True,
        capture_output=True,
        cwd=home,
        **account,
    )
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    control = [programs / "pg_ctl", "-D", data, "-w"]
    start = [*control, "-l", home / "log", "-o", options, "start"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd=home, **account)
    try:
        variables = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "someone", "PGPASSWORD": "none"}
        yield variables | {"PGDATABASE": "postgres"}
    finally:
        stop = [*control, "-m", "immediate", "stop"]
        subprocess.run(stop, check=True, stdout=subprocess.DEVNULL, cwd=home, **account)


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
