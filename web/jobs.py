"""Long work: asked for in a page, by a program or by the schedule, queued in the database, done by a worker.

The queue is procrastinate's, in schema `jobs` of the same database, so that work that was asked for survives the
server, the worker, and the database itself. Each run is done by a process of its own (`web.perform`): what it takes of
memory ends with it, and it can be stopped.
"""

import asyncio
import logging
import signal
import sys
from contextlib import suppress
from importlib.metadata import version
from typing import Literal, get_args

import procrastinate
import psycopg
import sqlalchemy
from procrastinate import RetryStrategy
from procrastinate.exceptions import ConnectorException
from psycopg import Connection, sql

from warehouse.database import connect
from warehouse.roles import ROLES
from web.problems import Conflict

logger = logging.getLogger(__name__)

Kind = Literal["build", "train", "docs"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SCHEMA = "jobs"
SCHEMA_LOCK = int.from_bytes(b"mixjobs!")
MOST_ATTEMPTS = 3
"""How often a run is begun whose process or database was lost."""
HEARTBEAT_SECONDS = 2.0
LOST_AFTER_SECONDS = 10.0
"""For how long a worker may be silent before its run is another's."""
STOP_SECONDS = 10.0
"""How long a run has to end when the worker is stopped."""
# Procrastinate names its tables without a schema.
_OPTIONS = f"-c search_path={SCHEMA} -c TimeZone=UTC"


class RunLost(Exception):
    """The process of a run ended without having done it; it is begun again."""


def make_queue(schedule: str | None = None) -> procrastinate.App:
    """Return the queue, with the tasks that there are.

    Args:
        schedule: When everything is brought up to date, as in crontab; None for never.

    Raises:
        ValueError: The schedule cannot be read.
    """
    connector = procrastinate.PsycopgConnector(
        conninfo="", kwargs={"options": _OPTIONS, "application_name": "mixhouse worker"}, min_size=1, max_size=4
    )
    queue = procrastinate.App(connector=connector)

    @queue.task(
        name="perform",
        # Runs change the same tables: one at a time.
        lock="warehouse",
        retry=RetryStrategy(wait=2, retry_exceptions=[RunLost]),
    )
    async def perform(run_id: int) -> None:
        await _perform(run_id)

    if schedule is not None:

        @queue.periodic(cron=schedule)
        @queue.task(name="bring_up_to_date", queueing_lock="bring_up_to_date")
        async def bring_up_to_date(timestamp: int) -> None:
            await asyncio.to_thread(_start_scheduled)

    return queue


def start_run(connection: sqlalchemy.Connection | Connection, kind: Kind, requested_by: str) -> int:
    """Ask for a run, within the caller's transaction: it is there with its job, or not at all.

    Args:
        connection: SQLAlchemy's or psycopg's, in a transaction.
        kind: What is to be done.
        requested_by: `page`, `schedule`, or the name of an API key.

    Returns:
        Its `run_id`.

    Raises:
        Conflict: One of the same kind is under way.
    """
    if isinstance(connection, sqlalchemy.Connection):
        connection = connection.connection.driver_connection  # type: ignore[assignment]
    assert isinstance(connection, psycopg.Connection)  # noqa: S101 - for the type checker
    row = connection.execute(
        "insert into ops.runs (kind, requested_by) values (%s, %s)"
        " on conflict (kind) where status in ('queued', 'running') do nothing returning run_id",
        [kind, requested_by],
    ).fetchone()
    if row is None:
        under_way = connection.execute(
            "select run_id from ops.runs where kind = %s and status in ('queued', 'running')", [kind]
        ).fetchone()
        run_id = under_way[0] if under_way else None
        raise Conflict(f"A run of this kind is under way: {run_id}. Wait for it to end.", run_id=run_id)
    run_id = int(row[0])
    connection.execute(sql.SQL("set local search_path to {}").format(sql.Identifier(SCHEMA)))
    make_queue().tasks["perform"].configure(connection=connection).defer(run_id=run_id)
    connection.execute("set local search_path to default")
    logger.info("event=run_queued run_id=%d kind=%s requested_by=%s", run_id, kind, requested_by)
    return run_id


def install(connection: Connection) -> None:
    """Make the tables of the queue unless they are there, and let the web role use them.

    Args:
        connection: Open, in autocommit, to a database that has Mixhouse's tables, as its owner.
    """
    stamp = f"The queue of runs, of procrastinate {version('procrastinate')}"
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [SCHEMA_LOCK])
        row = connection.execute("select obj_description(to_regnamespace(%s), 'pg_namespace')", [SCHEMA]).fetchone()
        if row == (stamp,):
            return
        # Its tables hold what is waiting, and nothing that people look back at: where another version made them, they
        # are made again, and what waits is asked for again.
        connection.execute("set local client_min_messages = warning")
        schema = sql.Identifier(SCHEMA)
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(schema))
        connection.execute(sql.SQL("create schema {}").format(schema))
        connection.execute(sql.SQL("set local search_path to {}").format(schema))
        connection.execute(procrastinate.schema.SchemaManager.get_schema().encode())
        perform = make_queue().tasks["perform"]
        waiting = connection.execute(
            "update ops.runs set status = 'queued', started_at = null"
            " where status in ('queued', 'running') returning run_id"
        ).fetchall()
        for (run_id,) in sorted(waiting):
            perform.configure(connection=connection).defer(run_id=run_id)
        connection.execute("set local search_path to default")
        connection.execute(sql.SQL("comment on schema {} is {}").format(schema, stamp))
        if connection.execute("select 1 from pg_roles where rolname = %s", [ROLES["web"]]).fetchone():
            names = {"schema": schema, "web": sql.Identifier(ROLES["web"])}
            for statement in (
                "grant usage on schema {schema} to {web}",
                "grant select, insert, update on all tables in schema {schema} to {web}",
                "grant usage on all sequences in schema {schema} to {web}",
            ):
                connection.execute(sql.SQL(statement).format(**names))
    logger.info("event=queue_installed version=%s", version("procrastinate"))


async def work(schedule: str | None) -> None:
    """Do what is asked for, one run after the other, until a signal ends it.

    A database that goes away is waited for. What was at hand when another worker was lost is begun again.

    Args:
        schedule: As for `make_queue`.
    """
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    while not stopped.is_set():
        try:
            await _work_while_connected(make_queue(schedule), stopped)
        except (ConnectorException, psycopg.Error) as error:
            logger.warning("event=worker_waits error=%r", str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), timeout=2)


async def _work_while_connected(queue: procrastinate.App, stopped: asyncio.Event) -> None:
    async with queue.open_async():
        worker = asyncio.create_task(
            queue.run_worker_async(
                concurrency=2,  # a run and what asks for the next one; runs themselves hold a lock
                install_signal_handlers=False,
                shutdown_graceful_timeout=0.0,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=LOST_AFTER_SECONDS,
                delete_jobs="successful",
            )
        )
        rescue = asyncio.create_task(_rescue(queue))
        stop = asyncio.create_task(stopped.wait())
        logger.info("event=worker_ready")
        try:
            await asyncio.wait({worker, rescue, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (rescue, stop, worker):
                task.cancel()
            results = await asyncio.gather(worker, rescue, stop, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result


async def _rescue(queue: procrastinate.App) -> None:
    """Queue again, now and then, what was at hand when a worker was lost."""
    while True:
        for job in await queue.job_manager.get_stalled_jobs(seconds_since_heartbeat=LOST_AFTER_SECONDS):
            logger.warning("event=run_rescued job_id=%s", job.id)
            await queue.job_manager.retry_job(job)
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def _perform(run_id: int) -> None:
    """Do a run in a process of its own, which ends when this one does: its standard input is a pipe from here."""
    if not await asyncio.to_thread(_begin, run_id):
        return
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "web.perform", str(run_id)),
        stdin=asyncio.subprocess.PIPE,
        # A Ctrl-C at the terminal is for the server, which stops its worker in order.
        start_new_session=True,
    )
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
        await asyncio.to_thread(_put_back, run_id)
        raise RunLost(f"run {run_id} was stopped with the worker, and is begun again by the next one") from None
    if code != 0:
        raise RunLost(f"the process of run {run_id} ended with exit code {code}")


def _begin(run_id: int) -> bool:
    """Count an attempt; say whether there is anything to do."""
    with connect(autocommit=True) as connection:
        row = connection.execute(
            "update ops.runs set attempts = attempts + 1, status = 'running',"
            " started_at = coalesce(started_at, clock_timestamp())"
            " where run_id = %s and status in ('queued', 'running') and attempts < %s returning attempts",
            [run_id, MOST_ATTEMPTS],
        ).fetchone()
        if row is None:
            connection.execute(
                "update ops.runs set status = 'failed', finished_at = clock_timestamp(), error = %s"
                " where run_id = %s and status in ('queued', 'running')",
                [f"Its process was lost {MOST_ATTEMPTS} times. The log of the server says how.", run_id],
            )
        return row is not None


def _put_back(run_id: int) -> None:
    """Leave a run that was stopped, through no fault of its own, as if it had not been begun."""
    with connect(autocommit=True) as connection:
        connection.execute(
            "update ops.runs set attempts = attempts - 1, status = 'queued', started_at = null, step = null,"
            " steps_done = null, steps_total = null where run_id = %s and status = 'running'",
            [run_id],
        )


def _start_scheduled() -> None:
    with connect() as connection:
        try:
            start_run(connection, "build", "schedule")
        except Conflict:
            logger.info("event=schedule outcome=under_way")
