"""Do one run, in a process of its own: `python -m web.perform RUN_ID ATTEMPT`, as the worker starts it."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import LiteralString, TypeVar

import psycopg
from psycopg import Connection

from python_ml.errors import MachineLearningError, NotEnoughData, TrainingInProgress
from python_ml.model_manager import keep_fresh, train_all
from python_ml.reports import write_reports
from python_ml.train_models import RunOutcome
from warehouse import pipeline
from warehouse.database import connect, environment
from warehouse.dbt import write_docs
from warehouse.errors import BuildError, BuildInProgress, DatabaseError, DatabaseUnreachable
from warehouse.settings import reports_folder
from web.jobs import STOPPED, lock_runs

logger = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.3
"""How often the row of a run says how far it is."""
BUSY_SECONDS = 5.0
"""How long to wait for a build or training that was started elsewhere, such as on the command line."""
OURS = ("loaders", "python_ml", "warehouse", "web")


class RunGone(Exception):
    """There is no such run, it has ended, or another process does it."""


class Progress:
    """Tells how far a run is, in its row and its log.

    Attributes:
        trigger: What starts the trainings in it, as `ml.model_runs` has it: `demand` or `schedule`.
    """

    def __init__(self, connection: Connection, run_id: int, attempt: int, trigger: str) -> None:
        self.trigger = trigger
        self._connection = connection
        self._run_id = run_id
        self._attempt = attempt
        self._told = 0.0

    def step(self, words: str) -> None:
        """Begin something, named in words for people.

        Raises:
            RunGone: The run is another's by now: the worker of this process was silent for too long.
        """
        if not self._update("step = %s, steps_done = null, steps_total = null", words):
            raise RunGone(f"attempt {self._attempt} of run {self._run_id} is not the latest")
        self.say("INFO", words)

    def counted(self, done: int, total: int) -> None:
        """Count within the step."""
        if time.monotonic() - self._told < PROGRESS_SECONDS:
            return
        self._told = time.monotonic()
        self._update("steps_done = %s, steps_total = %s", done, total)

    def say(self, level: str, message: str) -> None:
        """Add a line to the log of the run."""
        self._connection.execute(
            "insert into ops.run_messages (run_id, level, message) values (%s, %s, %s)", [self._run_id, level, message]
        )

    def succeed(self, result: str, *, only_without_news: bool) -> bool:
        """Record what was done, and nothing if the run is another's by now.

        Args:
            result: What was done, in words.
            only_without_news: Record nothing, and return False, if something has landed that no build has.
        """
        with self._connection.transaction():
            lock_runs(self._connection)
            if only_without_news and pipeline.has_news(self._connection):
                return False
            self.say("INFO", result)
            self._finish("succeeded", result, None)
            return True

    def fail(self, error: str) -> None:
        """Record what went wrong, in words, and nothing if the run is another's by now."""
        self._finish("failed", None, error)

    def _finish(self, status: str, result: str | None, error: str | None) -> None:
        self._update(
            "status = %s, finished_at = clock_timestamp(), step = null, steps_done = null, steps_total = null,"
            " result = %s, error = %s",
            *(status, result, error),
        )

    def _update(self, assignments: LiteralString, *values: object) -> bool:
        done = self._connection.execute(
            "update ops.runs set " + assignments + " where run_id = %s and attempts = %s and status = 'running'",  # noqa: S608 - literals
            [*values, self._run_id, self._attempt],
        )
        return done.rowcount == 1


def perform(run_id: int, attempt: int) -> None:
    """Do a run and record what came of it.

    Raises:
        RunGone: There is none to do.
        psycopg.Error, DatabaseError: The database was lost; the run is to be begun again.
    """
    with connect(autocommit=True) as connection:
        row = connection.execute(
            "select kind, requested_by from ops.runs where run_id = %s and attempts = %s and status = 'running'",
            [run_id, attempt],
        ).fetchone()
        if row is None:
            raise RunGone(f"there is no attempt {attempt} of run {run_id} to do")
        kind, requested_by = row
        progress = Progress(connection, run_id, attempt, "schedule" if requested_by == "schedule" else "demand")
        try:
            result = WORK[kind](progress)
            # Who lands something while a build is under way is told that this one takes it in.
            while not progress.succeed(result, only_without_news=kind != "docs"):
                progress.say("INFO", "More has landed meanwhile")
                result = build(progress)
        except RunGone:
            raise
        except Exception as error:
            if is_lost(error):
                raise
            logger.exception("event=run_failed run_id=%d", run_id)
            progress.say("ERROR", _words(error))
            progress.fail(_words(error))


def is_lost(error: BaseException) -> bool:
    """Say whether an error means that the database went away, and not that it refused."""
    if isinstance(error, psycopg.OperationalError):
        return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
    return isinstance(error, psycopg.InterfaceError | DatabaseUnreachable)


def build(progress: Progress) -> str:
    """Bring everything up to date: marts, models, insights."""
    said: list[str] = []

    def machine_learning() -> Sequence[Exception]:
        progress.step("Bringing the models up to date")
        try:
            outcomes = keep_fresh(connect, trigger=progress.trigger)
        except TrainingInProgress as busy:
            return [busy]
        said.extend(_said(outcomes))
        progress.step("Building what the models lead to")
        return [outcome.error for outcome in outcomes if outcome.error and not isinstance(outcome.error, NotEnoughData)]

    def whole() -> pipeline.BuildOutcome:
        progress.step("Building the marts")
        said.clear()
        outcome = pipeline.build(machine_learning, on_node=lambda name, done, total: progress.counted(done, total))
        if outcome.failures:
            raise outcome.failures[0]
        return outcome

    outcome = _when_free(whole, progress)
    if outcome.before_ml is None or outcome.after_ml is None:
        return "Everything was up to date."
    for warning in (*outcome.before_ml.warnings, *outcome.after_ml.warnings):
        progress.say("WARNING", warning)
    if said:
        progress.step("Writing the report")
        try:
            with connect() as connection:
                write_reports(connection, reports_folder())
        except OSError as error:
            # What was built stays built.
            progress.say("WARNING", f"No report was written: {error}")
    nodes = outcome.before_ml.nodes + outcome.after_ml.nodes
    return " ".join([f"Built and tested {nodes} models, seeds and tests.", *said])


def train(progress: Progress) -> str:
    """Train both models, whether that is due or not, and build what they lead to."""
    progress.step("Training the models")
    outcomes = _when_free(lambda: train_all(connect, trigger=progress.trigger), progress)
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    return " ".join([*_said(outcomes), build(progress)])


def docs(progress: Progress) -> str:
    """Write the dbt docs that the lineage page shows."""
    progress.step("Writing the dbt docs")
    write_docs(environment(), lambda name, done, total: progress.counted(done, total))
    return "The dbt docs are written."


WORK: dict[str, Callable[[Progress], str]] = {"build": build, "train": train, "docs": docs}


Done = TypeVar("Done")


def _when_free(work: Callable[[], Done], progress: Progress) -> Done:
    """Do what only one may do at a time, when whoever does it now is done."""
    waiting = False
    while True:
        try:
            return work()
        except (BuildInProgress, TrainingInProgress) as busy:
            if not waiting:
                # What follows is advice to those who type commands.
                progress.say("INFO", f"Waiting: {str(busy).partition(';')[0]}")
            waiting = True
            time.sleep(BUSY_SECONDS)


def _said(outcomes: Sequence[RunOutcome]) -> list[str]:
    said = []
    for outcome in outcomes:
        if isinstance(outcome.error, NotEnoughData):
            said.append(f"Not trained: {outcome.error}.")
        elif outcome.error is None:
            rows = f"{outcome.rows_read or 0:,} row{'' if outcome.rows_read == 1 else 's'}"
            did = f"Scored {rows} with" if outcome.scored_with else f"Fitted on {rows}:"
            said.append(f"{did} {outcome.model}, in {outcome.seconds:.1f} s.")
    return said


def _words(error: Exception) -> str:
    if isinstance(error, BuildError | MachineLearningError):
        return str(error)
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no details'}. The log of the server has the whole story."


def end_with_parent() -> None:
    """End this process when the one that started it is gone, which closes the pipe on standard input."""

    def wait() -> None:
        os.read(sys.stdin.fileno(), 1)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()


def main() -> None:
    """Do the run that the arguments name.

    Exit codes: 0 if its row says what came of it, or another process does it; 75 if the database was lost, 130 if it
    was stopped, others if something is wrong in here. The worker begins it again after all but 0.
    """
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    for package in OURS:
        logging.getLogger(package).setLevel(logging.INFO)
    # The worker ends a run with SIGTERM: dbt then cancels what the server is doing.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    end_with_parent()
    try:
        perform(*map(int, sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(STOPPED)
    except RunGone as gone:
        logger.warning("event=run_gone reason=%r", str(gone))
    except (psycopg.Error, DatabaseError) as error:
        if not is_lost(error):
            raise
        logger.warning("event=database_lost error=%r", str(error))
        sys.exit(os.EX_TEMPFAIL)


if __name__ == "__main__":
    main()
