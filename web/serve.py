"""Run the server: the application in this process, and the worker in one of its own."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import waitress
from psycopg import errors

from warehouse.database import connect, environment
from warehouse.roles import ROLES, apply_roles, exists
from warehouse.settings import home
from web import jobs
from web.access import Access, session_secret
from web.app import Settings, create_app
from web.database import POOL_SIZE

logger = logging.getLogger(__name__)

STOP_SECONDS = jobs.STOP_SECONDS + 5
RESTART_SECONDS = 2.0
CONNECTIONS = 1000
"""How many browsers and programs may be connected at once; they wait in turn for a thread."""


class CannotServe(Exception):
    """The address cannot be served at."""


def prepare() -> None:
    """Make what the server needs in the database, and let the variables of libpq lead to it from now on.

    Raises:
        DatabaseError: There is no database.
    """
    os.environ.update(environment())
    with connect(autocommit=True) as connection:
        try:
            if not exists(connection, ROLES["web"]):
                apply_roles(connection)
            jobs.install(connection)
        except errors.InsufficientPrivilege as error:
            # The owner of the database has done it once, or everything is read as the user who serves.
            logger.warning("event=not_prepared reason=%r", str(error.diag.message_primary))


def serve(
    host: str, port: int, access: Access, *, schedule: str | None, with_worker: bool, ready: Callable[[str], None]
) -> None:
    """Serve until a signal ends it.

    Args:
        host: The address to serve at.
        port: Its port; 0 for a free one.
        access: What needs an API key.
        schedule: When the worker brings everything up to date, as in crontab; None for never.
        with_worker: Start a worker beside it; else runs wait for one that is started elsewhere.
        ready: Is given the address when it can be used.

    Raises:
        CannotServe: The address is in use, or none of this machine.
        DatabaseError: There is no database.
    """
    prepare()
    app = create_app(Settings(secret_key=session_secret(home()), access=access))
    try:
        server = waitress.create_server(
            app,
            host=host,
            port=port,
            threads=POOL_SIZE,
            connection_limit=CONNECTIONS,
            ident=None,
            max_request_body_size=2 * app.config["MAX_CONTENT_LENGTH"],
            clear_untrusted_proxy_headers=True,
        )
    except OSError as error:
        raise CannotServe(f"Cannot serve at {host}:{port}: {error.strerror or error}. Take another --port.") from error
    actual = server.effective_port if hasattr(server, "effective_port") else port
    shown = f"[{host}]" if ":" in host else host
    with _ended_by_sigterm(), _worker(schedule) if with_worker else _nothing():
        ready(f"http://{shown}:{actual}/")
        try:
            server.run()
        finally:
            server.close()


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
