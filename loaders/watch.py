"""Land slices as they arrive in a folder: whole files only, each once, and through whatever fails for a while.

The folder is polled. Notifications of the file system would be quicker by a second, but network file systems have none
for what other machines write, and landing a slice takes about as long as it takes to be sure that it is whole.
"""

import gzip
import logging
import os
import re
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, NoReturn

import psycopg

from loaders import ledger
from loaders.load import Connect, LoadReport, SliceOutcome, WorkerDied, load
from loaders.slices import MAX_SLICE_BYTES, LoadError, SliceRefused, SliceSource, discover
from warehouse.errors import DatabaseError

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 1.0
SETTLE_SECONDS = 2.0
PATIENCE_SECONDS = 60.0
FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 60.0

# Of what psycopg raises, what a server in trouble does not say, and a mistake in a statement of ours does.
_MISTAKES = (psycopg.ProgrammingError, psycopg.DataError, psycopg.IntegrityError, psycopg.NotSupportedError)
# The reasons for which a file is refused that say nothing about its content.
_OUT_OF_REACH = {"absent", "unreadable"}

_GZIP_MAGIC = b"\x1f\x8b"
_PIECE_BYTES = 1 << 20
_TAIL_BYTES = 4096
# The root of a slice ends with an array or an object; the objects in which a writer may pause end with a number or a
# text, as the dataset has them.
_END_OF_SLICE = re.compile(rb"[\]}]\s*\}\s*\Z")


def watch(
    connect: Connect,
    folder: str | Path,
    *,
    strict: bool = False,
    workers: int = 1,
    interval: float = INTERVAL_SECONDS,
    settle: float = SETTLE_SECONDS,
    patience: float = PATIENCE_SECONDS,
    landed: Callable[[LoadReport], None] | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> NoReturn:
    """Land slices as they arrive in a folder or anywhere below it, until interrupted.

    What counts as a slice is what `mixhouse load FOLDER` finds in it: archives that lie in it are not opened. Each file
    is tried once as it is, and again when it changes or, if it could not be read, when it can be. A database or folder
    that fails is tried again after 1 to 60 seconds, and nothing is lost or landed twice by that.

    Args:
        connect: As for `loaders.load.load`.
        folder: The folder.
        strict: Refuse a slice as a whole for a single playlist that breaks a rule.
        workers: Processes that load side by side where several slices arrive together.
        interval: Seconds from one look into the folder to the next.
        settle: Seconds that a file must have been left alone before it is loaded.
        patience: The same for a file that does not end like a slice. It is then loaded, and refused with its reason.
        landed: Told of each load by which slices landed. After one that failed midway it is told once for that and the
            one that finished it, also if that one only found that everything had landed. What it raises ends the watch.
        monotonic: The clock.
        sleep: How to wait for a number of seconds.

    Raises:
        LoadError: There is no such folder, or it cannot be listed, at the start.
        KeyboardInterrupt: From the user. What has landed stays.
    """
    folder = Path(folder).absolute()
    require_folder(folder)
    arrivals = _Arrivals(folder, settle, patience, monotonic)
    landing = _Landing(connect, strict, workers, monotonic)
    logger.info("event=watching folder=%s", SliceSource(folder, None, None))
    while True:
        report = landing.land(arrivals.ready())
        if report is not None and landed is not None:
            landed(report)
        sleep(interval)


def require_folder(folder: Path) -> None:
    """Find out whether there is a folder to watch.

    Raises:
        LoadError: There is none, or it cannot be listed.
    """
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise LoadError(f"{folder}: {error.strerror}; name a folder in which slices arrive") from error


def is_whole(path: Path) -> bool:
    """Tell whether a file ends like a slice, which one does not that is still being written.

    Of a plain file, only the end is read. A gzip stream does not show whether its end is there until it is
    decompressed; that takes a fraction of the time of landing it, and is needed once for each version of a file.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        if file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC:
            file.seek(0)
            return _is_whole_gzip(file)
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
        return _END_OF_SLICE.search(file.read()) is not None


def _is_whole_gzip(file: IO[bytes]) -> bool:
    tail = b""
    size = 0
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            while piece := stream.read(_PIECE_BYTES):
                tail = (tail + piece)[-_TAIL_BYTES:]
                size += len(piece)
                if size > MAX_SLICE_BYTES:
                    # Whatever its end is, loading it says what is wrong with it.
                    return True
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return False
    return _END_OF_SLICE.search(tail) is not None


# ----------------------------------------------------------------------------------------------------------------------
# What fails for a while


class _Backoff:
    """When to try again what has failed: later each time."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._delay = 0.0
        self._due = 0.0

    @property
    def is_on(self) -> bool:
        """Whether the last try failed."""
        return self._delay > 0

    @property
    def is_due(self) -> bool:
        """Whether it is time to try."""
        return not self.is_on or self._monotonic() >= self._due

    def failed(self, first_retry: float = FIRST_RETRY_SECONDS) -> None:
        """Note that a try failed."""
        self._delay = min(2 * self._delay, LAST_RETRY_SECONDS) if self.is_on else first_retry
        self._due = self._monotonic() + self._delay

    def succeeded(self) -> None:
        """Note that a try did not fail."""
        self._delay = 0.0


class _Trouble:
    """Something that fails for a while: said once for each kind of failure, and again when it is over."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._backoff = _Backoff(monotonic)
        self._said: set[str] = set()

    @property
    def is_on(self) -> bool:
        return self._backoff.is_on

    @property
    def is_due(self) -> bool:
        return self._backoff.is_due

    def failed(self, kind: str, detail: object) -> None:
        self._backoff.failed()
        if kind not in self._said:
            self._said.add(kind)
            reason = (str(detail).strip().splitlines() or [type(detail).__name__])[0]
            logger.warning("event=trouble with=%s detail=%r; it is tried again until it works", kind, reason)

    def succeeded(self) -> None:
        if self._said:
            # As loud as the trouble was: who saw that begin must see it end.
            logger.warning("event=recovered with=%s", ",".join(sorted(self._said)))
        self._said.clear()
        self._backoff.succeeded()


# ----------------------------------------------------------------------------------------------------------------------
# Arriving


@dataclass
class _File:
    """A file in the folder, as it was last seen.

    Attributes:
        source: What `discover` says of it.
        since: Since when it has been left alone, by the clock of the watch.
        reach: When to look again whether it can be read; on once it was refused because it could not, or the process
            that had it in hand has died.
        is_done: Whether it needs nothing until it changes.
        is_whole: Whether it ends like a slice; None before a look at it.
    """

    source: SliceSource
    since: float
    reach: _Backoff
    is_done: bool = False
    is_whole: bool | None = None


class _Arrivals:
    """The files in a folder. What was seen once is remembered, for a folder that is unmounted comes back as it was."""

    def __init__(self, folder: Path, settle: float, patience: float, monotonic: Callable[[], float]) -> None:
        self._folder = folder
        self._settle = settle
        self._patience = patience
        self._monotonic = monotonic
        self._files: dict[Path, _File] = {}
        self._trouble = _Trouble(monotonic)
        self._is_first_look = True

    def ready(self) -> list[_File]:
        """Look into the folder, and return what is to be loaded, in the order of `discover`."""
        if not self._trouble.is_due:
            return []
        try:
            sources = _list(self._folder)
        except (OSError, LoadError) as error:
            self._trouble.failed("folder", f"{SliceSource(self._folder, None, None)}: {error}")
            return []
        self._trouble.succeeded()
        now = self._monotonic()
        files = [self._file(source, now) for source in sources]
        self._is_first_look = False
        return [file for file in files if self._is_ready(file, now)]

    def _file(self, source: SliceSource, now: float) -> _File:
        file = self._files.get(source.path)
        if file is None or file.source.fingerprint != source.fingerprint:
            # Later, the time of a file says nothing: copying may have set it to that of the original.
            since = now - _age(source.path) if self._is_first_look else now
            file = self._files[source.path] = _File(source, since, _Backoff(self._monotonic))
        return file

    def _is_ready(self, file: _File, now: float) -> bool:
        quiet = now - file.since
        if file.is_done or quiet < self._settle or not file.reach.is_due:
            return False
        if file.reach.is_on:
            if not _can_be_read(file.source.path):
                file.reach.failed()
                return False
            return True
        if quiet >= self._patience:
            return True
        if file.is_whole is None:
            try:
                file.is_whole = is_whole(file.source.path)
            except FileNotFoundError:
                return False
            except OSError:
                # Loading it says what is wrong with it.
                file.is_whole = True
            if not file.is_whole:
                logger.info("slice=%s event=waiting reason=unfinished", file.source)
        return file.is_whole


def _list(folder: Path) -> list[SliceSource]:
    """Return the slices in a folder.

    Raises:
        OSError: The folder, or something in it, cannot be looked into.
        LoadError: The folder is gone.
    """
    if not folder.is_dir():
        raise LoadError("there is no such folder now")
    found = discover([folder])
    if isinstance(_problem(found, folder), FileNotFoundError):
        # Something was moved away at that very moment.
        found = discover([folder])
    problem = _problem(found, folder)
    if isinstance(problem, SliceRefused) and problem.reason == "no_slices":
        return []
    if problem is not None:
        raise problem
    return found


def _problem(found: list[SliceSource], folder: Path) -> OSError | LoadError | None:
    refusal = found[0].refusal
    if found[0].path != folder or refusal is None:
        return None
    return refusal.__cause__ if isinstance(refusal.__cause__, OSError) else refusal


def _age(path: Path) -> float:
    """Return how many seconds ago a file was changed, by its time; 0 if that is in the future, or it is gone."""
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return 0.0


def _can_be_read(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            while file.read(_PIECE_BYTES):
                pass
    except OSError:
        return False
    return True


# ----------------------------------------------------------------------------------------------------------------------
# Landing


class _Landing:
    """The loads of a watch, and what is to be told of those that failed midway."""

    def __init__(self, connect: Connect, strict: bool, workers: int, monotonic: Callable[[], float]) -> None:
        self._connect = connect
        self._strict = strict
        self._workers = workers
        self._trouble = _Trouble(monotonic)
        self._untold: list[SliceOutcome] = []
        self._seconds = 0.0
        self._failed_midway = False

    def land(self, files: Sequence[_File]) -> LoadReport | None:
        """Load files, and return what is to be told: nothing where nothing landed, or the database is away."""
        if not self._trouble.is_due or not (files or self._trouble.is_on):
            return None
        started = time.monotonic()
        try:
            self._load(files)
        except (psycopg.Error, DatabaseError, WorkerDied) as error:
            if isinstance(error, _MISTAKES) and not isinstance(error, psycopg.errors.UniqueViolation):
                raise
            self._trouble.failed("workers" if isinstance(error, WorkerDied) else "database", error)
            return None
        finally:
            self._seconds += time.monotonic() - started
        self._trouble.succeeded()
        return self._tell()

    def _load(self, files: Iterable[_File]) -> None:
        with self._connect(autocommit=True) as connection:
            known = ledger.known_files(connection)
        handed: dict[Path, list[_File]] = {}
        for file in files:
            # By this name the load will know it, also if it is a link.
            path = file.source.path.resolve()
            source = replace(file.source, path=path)
            if (source.source, None, source.fingerprint) in known:
                file.is_done = True
                self._untold.append(SliceOutcome(source, "skipped"))
            else:
                handed.setdefault(path, []).append(file)

        def note(outcome: SliceOutcome, done: int, total: int) -> None:
            self._untold.append(outcome)
            for file in handed.get(outcome.source.path, []):
                if outcome.reason in _OUT_OF_REACH:
                    file.reach.failed()
                else:
                    file.is_done = True

        if handed:
            try:
                load(self._connect, handed, strict=self._strict, workers=self._workers, command="watch", progress=note)
            except Exception as error:
                # What it committed last, it may not have said.
                self._failed_midway = True
                if isinstance(error, WorkerDied):
                    # If it is the file that kills, it must not keep the others from landing: they have the next try.
                    for file in handed.get(error.source.path, []):
                        file.reach.failed(2 * FIRST_RETRY_SECONDS)
                raise

    def _tell(self) -> LoadReport | None:
        report = LoadReport(tuple(self._untold), self._seconds)
        is_worth_telling = bool(report.landed) or self._failed_midway
        self._untold = []
        self._seconds = 0.0
        self._failed_midway = False
        return report if is_worth_telling else None
