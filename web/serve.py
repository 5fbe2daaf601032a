"""Run the server: the application in this process, and the worker in one of its own."""

import asyncio
import functools
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import waitress
import waitress.server
from psycopg import Connection, errors

from warehouse.database import connect, environment
from warehouse.errors import DatabaseUnfit
from warehouse.roles import ROLES, apply_roles
from warehouse.settings import home
from web import jobs
from web.access import Access, session_secret
from web.app import Settings, create_app
from web.database import POOL_SIZE

logger = logging.getLogger(__name__)

PROXY_HEADERS = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto")
STOP_SECONDS = jobs.STOP_SECONDS + 4 * jobs.GOODBYE_SECONDS
RESTART_SECONDS = 2.0
CONNECTIONS = 1000
"""How many browsers and programs may be connected at once; they wait in turn for a thread."""
ACCEPTED_A_TURN = 32
"""How many connections are taken in a turn of waitress's loop, which by itself takes one."""
OTHER_FILES = 100
"""How many files and connections the server has open besides."""


class CannotServe(Exception):
    """The address cannot be served at."""


def prepare() -> None:
    """Make what the server needs in the database, and let the variables of libpq lead to it from now on.

    The embedded server is started by this, and never again by who serves: `mixhouse db stop` is to last.

    Raises:
        DatabaseError: There is no database, or the queue is not in it and we may not make it.
    """
    os.environ.update(environment())
    with connect(autocommit=True) as connection:
        try:
            if not _web_role_is_ready(connection):
                apply_roles(connection)
        except errors.InsufficientPrivilege as error:
            # Everything is read as the user who serves.
            logger.warning("event=roles_not_applied reason=%r", str(error.diag.message_primary))
        try:
            jobs.install(connection)
        except errors.InsufficientPrivilege as error:
            raise DatabaseUnfit(
                f"The database {connection.info.dbname} lacks the queue of runs of this version, and "
                f"{connection.info.user} may not make it. Run once, as the owner of the database: mixhouse db roles"
            ) from error


def _web_role_is_ready(connection: Connection) -> bool:
    """Say whether there is a role to read in, with what it needs in this database and in this version."""
    row = connection.execute(
        "select has_table_privilege(oid, 'ops.runs', 'insert')"
        " and has_schema_privilege(oid, to_regnamespace('marts'), 'usage') from pg_roles where rolname = %s",
        [ROLES["web"]],
    ).fetchone()
    return row == (True,)


def serve(
    host: str,
    port: int,
    access: Access,
    *,
    schedule: str | None,
    with_worker: bool,
    trusted_proxy: str | None,
    ready: Callable[[str], None],
) -> None:
    """Serve until a signal ends it.

    Args:
        host: The address to serve at.
        port: Its port; 0 for a free one.
        access: What needs an API key.
        schedule: When the worker brings everything up to date, as in crontab; None for never.
        with_worker: Start a worker beside it; else runs wait for one that is started elsewhere.
        trusted_proxy: Address of a proxy that does TLS, and is believed what it says of those who ask.
        ready: Is given the address when it can be used.

    Raises:
        CannotServe: The address is in use, or none of this machine.
        DatabaseError: There is no database.
    """
    prepare()
    app = create_app(
        Settings(secret_key=session_secret(home()), access=access, schedule=schedule if with_worker else None)
    )
    proxied: dict[str, object] = {}
    sockets: dict[int, object] = {}
    if trusted_proxy is not None:
        proxied = {"trusted_proxy": trusted_proxy, "trusted_proxy_headers": PROXY_HEADERS, "trusted_proxy_count": 1}
        # What the browser sees is TLS.
        app.config["SESSION_COOKIE_SECURE"] = True
    try:
        server = waitress.create_server(
            app,
            map=sockets,
            host=host,
            port=port,
            threads=POOL_SIZE,
            connection_limit=_allow_connections(),
            # The other way to wait ends at the 1,024th open file.
            asyncore_use_poll=True,
            ident=None,
            max_request_body_size=2 * app.config["MAX_CONTENT_LENGTH"],
            clear_untrusted_proxy_headers=True,
            **proxied,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CannotServe(f"Cannot serve at {host}:{port}: {reason}. Take another --host or --port.") from error
    accept_several(sockets)
    # A name may stand for several addresses.
    actual = server.effective_listen[0][1] if hasattr(server, "effective_listen") else server.effective_port
    shown = socket.gethostname() if host in {"0.0.0.0", "::"} else f"[{host}]" if ":" in host else host  # noqa: S104
    with _ended_by_sigterm(), _worker(schedule) if with_worker else _nothing():
        ready(f"http://{shown}:{actual}/")
        try:
            server.run()
        finally:
            server.close()


def accept_several(sockets: Mapping[int, Any]) -> None:
    """Let those who listen take all who wait, up to so many a turn and as long as more are allowed.

    While all threads work, a turn of the loop waits for them for some 50 ms: taken one by one, the last of 200 new
    clients waited 12 s for a first answer, where the others had theirs within 0.3 s.

    Args:
        sockets: Those of waitress, by file number: who listens, and the connections that come from them.
    """
    for listener in [*sockets.values()]:
        if isinstance(listener, waitress.server.BaseWSGIServer):
            listener.handle_accept = functools.partial(
                _accept_those_who_wait, listener, listener.handle_accept, sockets
            )


def _accept_those_who_wait(listener: Any, accept_one: Callable[[], None], sockets: Mapping[int, Any]) -> None:
    for _ in range(ACCEPTED_A_TURN):
        connected = len(sockets)
        accept_one()
        if len(sockets) == connected or not listener.readable():
            return


def _allow_connections() -> int:
    """Let this process open as many files as it may, and return how many connections that allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + OTHER_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(CONNECTIONS, max(soft - OTHER_FILES, OTHER_FILES))


def work(schedule: str | None) -> None:
    """Do the runs that are asked for until a signal ends it.

    Raises:
        DatabaseError: There is no database.
    """
    prepare()
    asyncio.run(jobs.work(schedule))


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the server as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _worker(schedule: str | None) -> Iterator[None]:
    """Keep a worker running, and end it with the server."""
    stopping = threading.Event()
    keeper = threading.Thread(target=_keep_worker, args=(schedule, stopping), name="keep-worker")
    keeper.start()
    try:
        yield
    finally:
        stopping.set()
        keeper.join()


def _keep_worker(schedule: str | None, stopping: threading.Event) -> None:
    command = [sys.executable, "-m", "mixhouse", "worker", "--ends-with-input", "--schedule", schedule or "never"]
    while not stopping.is_set():
        # In a session of its own: a Ctrl-C is for the server, which ends it.
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 - our own
        while worker.poll() is None and not stopping.wait(0.2):
            pass
        if stopping.is_set():
            worker.terminate()
            try:
                worker.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        else:
            logger.warning("event=worker_ended exit_code=%s", worker.returncode)
            stopping.wait(RESTART_SECONDS)
