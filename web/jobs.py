"""Long work: asked for in a page, by a program or by the schedule, queued in the database, done by a worker.

The queue is procrastinate's, in schema `jobs` of the same database, so that work that was asked for survives the
server, the worker, and the database itself. Each run is done by a process of its own (`web.perform`): what it takes of
memory ends with it, and it can be stopped.
"""

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Literal, get_args

import procrastinate
import psycopg
import sqlalchemy
from croniter import croniter
from procrastinate import RetryStrategy
from procrastinate.exceptions import ConnectorException
from psycopg import Connection, sql

from warehouse.database import KEEPALIVES, connect
from warehouse.errors import DatabaseError
from warehouse.roles import QUEUE, grant_queue
from web.problems import Conflict, Unprocessable

logger = logging.getLogger(__name__)

Kind = Literal["build", "train", "docs"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SCHEMA_LOCK = int.from_bytes(b"mixjobs!")
RUNS_LOCK = int.from_bytes(b"mixruns!")
MOST_ATTEMPTS = 3
"""How often a run is begun whose process or database was lost."""
HEARTBEAT_SECONDS = 2.0
LOST_AFTER_SECONDS = 10.0
"""For how long a worker may be silent before its run is another's."""
STOPPED = 130
"""The exit code of a run that was stopped."""
POLL_SECONDS = 2.0
"""How often to look for what is to be begun again; of what is new, the database tells at once."""
STOP_SECONDS = 10.0
"""How long a run has to end when the worker is stopped."""
GOODBYE_SECONDS = 3.0
"""How long to wait for a connection, so that a worker ends soon that has no database to say good-bye to."""
AWAY_SECONDS = 2.0
"""How long to wait for a database that is away before asking again."""
# Procrastinate names its tables without a schema.
_OPTIONS = f"-c search_path={QUEUE} -c TimeZone=UTC"


class RunLost(Exception):
    """The process of a run ended without having done it; it is begun again."""


class RunStopped(Exception):
    """The process of a run was asked to end, as when a service is stopped with all of its processes."""


def check_schedule(schedule: str) -> None:
    """Refuse what does not say when, as in crontab.

    Raises:
        ValueError: It cannot be read, or names no time that ever comes.
    """
    if len(schedule.split()) != 5:
        raise ValueError("it has five fields: minute, hour, day, month, day of the week")
    croniter(schedule).get_next()


def next_time(schedule: str) -> datetime:
    """Return when it is that time again, in UTC."""
    found: datetime = croniter(schedule, datetime.now(UTC)).get_next(datetime)
    return found


def make_queue(schedule: str | None = None) -> procrastinate.App:
    """Return the queue, with the tasks that there are.

    Args:
        schedule: When everything is brought up to date, as in crontab; None for never.
    """
    connector = procrastinate.PsycopgConnector(
        conninfo="",
        kwargs={"options": _OPTIONS, "application_name": "mixhouse worker", "connect_timeout": 5, **KEEPALIVES},
        min_size=1,
        max_size=4,
        timeout=GOODBYE_SECONDS,
    )
    queue = procrastinate.App(connector=connector)

    @queue.task(
        name="perform",
        # Runs change the same tables: one at a time.
        lock="warehouse",
        # Whatever happened to it: the row of the run says when it is enough.
        retry=RetryStrategy(wait=2),
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
        Unprocessable: There is no such kind.
    """
    if kind not in KINDS:
        raise Unprocessable(f"A run is one of {', '.join(KINDS)}.")
    if isinstance(connection, sqlalchemy.Connection):
        connection = connection.connection.driver_connection  # type: ignore[assignment]
    assert isinstance(connection, psycopg.Connection)  # noqa: S101 - for the type checker
    lock_runs(connection)
    if under_way := connection.execute(
        "select run_id from ops.runs where kind = %s and status in ('queued', 'running')", [kind]
    ).fetchone():
        raise Conflict(
            f"Run {under_way[0]} does the same and is under way. Wait for it to end.", run_id=int(under_way[0])
        )
    [(run_id,)] = connection.execute(
        "insert into ops.runs (kind, requested_by) values (%s, %s) returning run_id", [kind, requested_by]
    ).fetchall()
    _queue_run(connection, run_id)
    logger.info("event=run_queued run_id=%d kind=%s requested_by=%s", run_id, kind, requested_by)
    return int(run_id)


def lock_runs(connection: Connection) -> None:
    """Let nobody else start or end a run until the caller's transaction ends.

    So a run that is under way when something lands takes it in: it ends only where nothing has landed meanwhile.
    """
    connection.execute("select pg_advisory_xact_lock(%s)", [RUNS_LOCK])


def _queue_run(connection: Connection, run_id: int) -> None:
    connection.execute(sql.SQL("set local search_path to {}").format(sql.Identifier(QUEUE)))
    make_queue().tasks["perform"].configure(connection=connection).defer(run_id=run_id)
    connection.execute("set local search_path to default")


def is_installed(connection: Connection) -> bool:
    """Say whether the tables of the queue are there, as this version of procrastinate makes them."""
    row = connection.execute("select obj_description(to_regnamespace(%s), 'pg_namespace')", [QUEUE]).fetchone()
    return row == (_stamp(),)


def install(connection: Connection) -> None:
    """Make the tables of the queue unless they are there, and let the roles that need them use them.

    Args:
        connection: Open, in autocommit, to a database that has Mixhouse's tables, as its owner.
    """
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [SCHEMA_LOCK])
        if is_installed(connection):
            return
        # Its tables hold what is waiting, and nothing that people look back at: where another version made them, they
        # are made again, and the worker queues again what waits.
        connection.execute("set local client_min_messages = warning")
        schema = sql.Identifier(QUEUE)
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(schema))
        connection.execute(sql.SQL("create schema {}").format(schema))
        connection.execute(sql.SQL("set local search_path to {}").format(schema))
        connection.execute(procrastinate.schema.SchemaManager.get_schema().encode())
        connection.execute("set local search_path to default")
        connection.execute(sql.SQL("comment on schema {} is {}").format(schema, _stamp()))
        grant_queue(connection)
    logger.info("event=queue_installed version=%s", version("procrastinate"))


def _stamp() -> str:
    return f"The queue of runs, of procrastinate {version('procrastinate')}"


async def work(schedule: str | None) -> None:
    """Do what is asked for, one run after the other, until a signal ends it.

    A database that goes away is waited for. What was at hand when a worker was lost is begun again.

    Args:
        schedule: As for `make_queue`.
    """
    for talkative in ("procrastinate.utils", "psycopg.pool"):
        # A traceback or a line for every try while the database is away, of which `worker_waits` tells.
        logging.getLogger(talkative).setLevel(logging.CRITICAL)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    stop = asyncio.create_task(stopped.wait())
    while not stopped.is_set():
        working = asyncio.create_task(_work_while_connected(make_queue(schedule)))
        await asyncio.wait({working, stop}, return_when=asyncio.FIRST_COMPLETED)
        working.cancel()
        [outcome] = await asyncio.gather(working, return_exceptions=True)
        if isinstance(outcome, Exception) and not isinstance(outcome, (ConnectorException, psycopg.Error)):
            raise outcome
        if not stopped.is_set():
            logger.warning("event=worker_waits error=%r", str(outcome.__cause__ or outcome) if outcome else "it ended")
            await asyncio.wait({stop}, timeout=AWAY_SECONDS)
    logger.info("event=worker_stopped")


async def _work_while_connected(queue: procrastinate.App) -> None:
    # The pool would try again ever more rarely while the database is away.
    await (await psycopg.AsyncConnection.connect(connect_timeout=5)).close()
    async with queue.open_async():
        worker = asyncio.create_task(
            queue.run_worker_async(
                concurrency=2,  # a run and what asks for the next one; runs themselves hold a lock
                install_signal_handlers=False,
                shutdown_graceful_timeout=0.0,
                fetch_job_polling_interval=POLL_SECONDS,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=LOST_AFTER_SECONDS,
                delete_jobs="successful",
            )
        )
        rescue = asyncio.create_task(_rescue(queue))
        logger.info("event=worker_ready")
        try:
            await asyncio.wait({worker, rescue}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # It ends what is at hand, and puts it back.
            for task in (rescue, worker):
                task.cancel()
            results = await asyncio.gather(worker, rescue, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _rescue(queue: procrastinate.App) -> None:
    """Queue again, now and then, what was at hand when a worker was lost, and what the queue has lost."""
    while True:
        for job in await queue.job_manager.get_stalled_jobs(seconds_since_heartbeat=LOST_AFTER_SECONDS):
            # Where the machine was asleep, this worker seems to be lost as well.
            if job.task_kwargs.get("run_id") not in _at_hand:
                logger.warning("event=run_rescued job_id=%s kwargs=%s", job.id, job.task_kwargs)
                await queue.job_manager.retry_job(job)
        await asyncio.to_thread(_queue_forgotten)
        await asyncio.sleep(POLL_SECONDS)


def _queue_forgotten() -> None:
    with connect() as connection:
        forgotten = connection.execute(
            sql.SQL(
                "select run_id from ops.runs where status in ('queued', 'running') and not exists (select from"
                " {}.procrastinate_jobs where task_name = 'perform' and status in ('todo', 'doing')"
                " and (args ->> 'run_id')::bigint = runs.run_id) order by run_id"
            ).format(sql.Identifier(QUEUE))
        ).fetchall()
        for (run_id,) in forgotten:
            logger.warning("event=run_queued_again run_id=%d", run_id)
            _queue_run(connection, run_id)


_at_hand: set[int] = set()
"""The runs that this process does."""


async def _perform(run_id: int) -> None:
    """Do a run in a process of its own, which ends when this one does: its standard input is a pipe from here."""
    _at_hand.add(run_id)
    try:
        attempt = await asyncio.to_thread(_begin, run_id)
        if attempt is not None:
            await _attempt(run_id, attempt)
    except (asyncio.CancelledError, RunStopped):
        with suppress(DatabaseError, psycopg.Error):
            await asyncio.to_thread(_put_back, run_id)
        raise RunLost(f"run {run_id} was stopped, and is begun again") from None
    finally:
        _at_hand.discard(run_id)


async def _attempt(run_id: int, attempt: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "web.perform", str(run_id), str(attempt)),
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
        raise
    if code == STOPPED:
        raise RunStopped
    if code != 0:
        why = f"Its process was ended by signal {-code}" if code < 0 else f"Its process ended with exit code {code}"
        why = "The database was lost" if code == os.EX_TEMPFAIL else why
        await asyncio.to_thread(_tell, run_id, f"{why}, on attempt {attempt} of {MOST_ATTEMPTS}.")
        raise RunLost(f"run {run_id}: {why}")


def _tell(run_id: int, message: str) -> None:
    logger.warning("event=run_lost run_id=%d why=%r", run_id, message)
    with connect(autocommit=True) as connection:
        connection.execute(
            "insert into ops.run_messages (run_id, level, message) values (%s, 'WARNING', %s)", [run_id, message]
        )


def _begin(run_id: int) -> int | None:
    """Count an attempt, and return which it is; None if there is nothing to do."""
    with connect() as connection:
        row = connection.execute(
            "update ops.runs set attempts = attempts + 1, status = 'running',"
            " started_at = coalesce(started_at, clock_timestamp()), step = null, steps_done = null, steps_total = null"
            " where run_id = %s and status in ('queued', 'running') and attempts < %s returning attempts",
            [run_id, MOST_ATTEMPTS],
        ).fetchone()
        if row is None:
            connection.execute(
                "update ops.runs set status = 'failed', finished_at = clock_timestamp(), step = null,"
                " steps_done = null, steps_total = null, error = %s"
                " where run_id = %s and status in ('queued', 'running')",
                [f"It was begun {MOST_ATTEMPTS} times and ended early each time; its log says how.", run_id],
            )
            return None
        attempt = int(row[0])
        if attempt > 1:
            connection.execute(
                "insert into ops.run_messages (run_id, level, message) values (%s, 'WARNING', %s)",
                [run_id, f"Begun again, attempt {attempt} of {MOST_ATTEMPTS}: the one before was lost."],
            )
        return attempt


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
