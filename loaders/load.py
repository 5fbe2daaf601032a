"""Load slices exactly once: one transaction lands a slice, its ledger row and its rejects, or nothing of it."""

import contextlib
import hashlib
import logging
import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from psycopg import Connection, errors

from loaders import ledger
from loaders.copy import UNSTORABLE, PackedPlaylist, land, pack
from loaders.ledger import Attempt
from loaders.schema import Reject, require_utf8, split, validate
from loaders.slices import LoadError, SliceRefused, SliceSource, discover, read

logger = logging.getLogger(__name__)

# Loaders land in turn. But someone else may have written there, or the server be set to a stricter isolation, by which
# who has waited does not see what landed meanwhile: the slice is started again.
_COLLISIONS = (errors.UniqueViolation, errors.DeadlockDetected, errors.SerializationFailure)
_ATTEMPTS = 10


class WorkerDied(LoadError):
    """A process that loads was killed.

    Attributes:
        source: The slice that it had in hand.
    """

    def __init__(self, source: SliceSource, exit_code: int | None) -> None:
        super().__init__(
            f"a process that loads has ended with exit code {exit_code}, with {source} in hand; if memory ran "
            "out, take fewer --workers. What was finished stays, and the same command goes on from there"
        )
        self.source = source


class Connect(Protocol):
    """What opens a connection to the warehouse, such as `warehouse.database.connect`."""

    def __call__(self, *, autocommit: bool = False) -> Connection:
        """Open a connection."""


@dataclass(frozen=True)
class SliceOutcome:
    """What became of one slice.

    Attributes:
        source: Where the slice is kept.
        outcome: `landed`; `skipped`, if its content had landed before; or `refused` as a whole.
        bytes: Size of the uncompressed JSON; 0 if it was not read.
        seconds: How long it took.
        landed: Playlists stored, new or changed.
        unchanged: Playlists that the database held already with the same content.
        superseding: Of `landed`, those that replaced an earlier version.
        rejected: Playlists refused one by one, now in `staging.rejects`.
        reason: Code from `loaders.schema.SLICE_REASONS` if refused.
        detail: What was found, for a person, if refused.
    """

    source: SliceSource
    outcome: Literal["landed", "skipped", "refused"]
    bytes: int = 0
    seconds: float = 0.0
    landed: int = 0
    unchanged: int = 0
    superseding: int = 0
    rejected: int = 0
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class LoadReport:
    """What became of a load: its slices in the order in which `discover` finds them, and its totals.

    A load has failed, for who asked it to be strict, if `refused` is not 0: a slice with rejects is then refused.
    """

    slices: tuple[SliceOutcome, ...]
    seconds: float

    @property
    def is_clean(self) -> bool:
        """Whether nothing was refused, neither slices nor playlists."""
        return not self.refused and not self.playlists_rejected

    @property
    def landed(self) -> int:
        """Slices that landed."""
        return self._count("landed")

    @property
    def skipped(self) -> int:
        """Slices whose content had landed before."""
        return self._count("skipped")

    @property
    def refused(self) -> int:
        """Slices refused as a whole."""
        return self._count("refused")

    @property
    def bytes(self) -> int:
        """Bytes of uncompressed JSON that were read."""
        return sum(outcome.bytes for outcome in self.slices)

    @property
    def playlists_landed(self) -> int:
        """Playlists stored, new or changed."""
        return sum(outcome.landed for outcome in self.slices)

    @property
    def playlists_unchanged(self) -> int:
        """Playlists that the database held already with the same content, in slices that landed."""
        return sum(outcome.unchanged for outcome in self.slices)

    @property
    def playlists_superseding(self) -> int:
        """Of `playlists_landed`, those that replaced an earlier version."""
        return sum(outcome.superseding for outcome in self.slices)

    @property
    def playlists_rejected(self) -> int:
        """Playlists refused one by one."""
        return sum(outcome.rejected for outcome in self.slices)

    def _count(self, outcome: str) -> int:
        return sum(found.outcome == outcome for found in self.slices)


Progress = Callable[[SliceOutcome, int, int], None]
"""Called after each slice with its outcome, how many slices are done, and how many there are."""


class _Task(NamedTuple):
    """A slice to load, and its place among the slices of the load."""

    place: int
    load_id: int
    source: SliceSource
    strict: bool


def load(
    connect: Connect,
    paths: Iterable[str | Path],
    *,
    strict: bool = False,
    verify: bool = False,
    workers: int = 1,
    command: str = "load",
    progress: Progress | None = None,
) -> LoadReport:
    """Land every slice below some paths that has not landed yet.

    Each slice commits on its own. An exception, `KeyboardInterrupt` included, takes back the slices in hand and
    nothing else; loading again goes on from there. A file that has landed as it is is passed over. A playlist that the
    database holds with other content gets a new version, and the old one is kept as superseded. Slices commit in their
    order, however many workers there are.

    Args:
        connect: Opens a connection. With more than one worker, a function that can be imported by name.
        paths: As for `loaders.slices.discover`.
        strict: Refuse a slice as a whole for a single playlist that breaks a rule, also if it landed before without
            this, and the playlist is missing still.
        verify: Read also what looks the same as when it landed, and land what is not the same.
        workers: Processes that load side by side, each with a connection of its own; of 1, it is this one.
        command: What loads, for the record.
        progress: Told of every slice once it is committed, skipped or refused.

    Raises:
        WorkerDied: A process that loads was killed.
        psycopg.Error: The database failed.
    """
    started = time.monotonic()
    given = [Path(path) for path in paths]
    names = [SliceSource(path.absolute(), None, None).source for path in given]
    options = {"strict": strict, "verify": verify, "workers": workers}
    with connect(autocommit=True) as connection, ledger.load_entry(connection, command, names, options) as entry:
        sources = discover(given)
        known = set() if verify else ledger.known_files(connection)
        if strict:
            known -= ledger.files_with_rejects(connection)
        pending = [place for place, source in enumerate(sources) if _key(source) not in known]
        tasks = [_Task(place, entry.load_id, sources[place], strict) for place in pending]
        outcomes = [SliceOutcome(source, "skipped") for source in sources]
        done = 0

        def note(place: int, outcome: SliceOutcome) -> None:
            nonlocal done
            done += 1
            outcomes[place] = outcome
            _log(outcome)
            if progress is not None:
                progress(outcome, done, len(sources))

        passed_over = sorted(set(range(len(sources))).difference(pending))
        ledger.make_up_for_refusals(connection, entry.load_id, [sources[place] for place in passed_over])
        for place in passed_over:
            note(place, outcomes[place])
        # Also a single slice, for what kills its process, such as want of memory, spares this one.
        loading = (
            _load_here(connection, tasks)
            if workers == 1 or not tasks
            else _load_side_by_side(connect, tasks, min(workers, len(tasks)))
        )
        with contextlib.closing(loading):
            for place, outcome in loading:
                note(place, outcome)
        report = LoadReport(tuple(outcomes), time.monotonic() - started)
        entry.finish("succeeded" if report.is_clean else "refused_some", counts=_counts(report))
    return report


def _key(source: SliceSource) -> ledger.Key:
    return source.source, source.member, source.fingerprint


def _counts(report: LoadReport) -> dict[str, int]:
    return {column: getattr(report, column.removeprefix("slices_")) for column in ledger.COUNTS}


# ----------------------------------------------------------------------------------------------------------------------
# Workers


def _load_here(connection: Connection, tasks: Iterable[_Task]) -> Generator[tuple[int, SliceOutcome], None, None]:
    for task in tasks:
        yield task.place, _land(connection, _prepare(connection, task))


def _load_side_by_side(
    connect: Connect, tasks: Sequence[_Task], workers: int
) -> Generator[tuple[int, SliceOutcome], None, None]:
    """Load in processes of our own, which end when we do: by their pipe when we are killed, by a signal otherwise.

    They prepare slices side by side and land them one after the other, in their order. So which version of a playlist
    is the newest does not depend on chance, and a load that is cut short has landed the first slices and no others.
    """
    processes: dict[Pipe, BaseProcess] = {}
    in_hand: dict[Pipe, _Task] = {}
    waiting = deque(tasks)
    turns: deque[Pipe] = deque()
    ready: set[Pipe] = set()
    is_landing = False

    def hand_over(pipe: Pipe) -> None:
        in_hand[pipe] = waiting.popleft()
        turns.append(pipe)
        _say(pipe, in_hand[pipe])

    try:
        for _ in range(workers):
            pipe, process = _start_worker(connect)
            processes[pipe] = process
            hand_over(pipe)
        while turns:
            for pipe in processes.keys() & wait(list(processes)):
                answer = _answer(pipe, processes[pipe], in_hand[pipe].source)
                if answer is None:
                    ready.add(pipe)
                    continue
                is_landing = False
                turns.popleft()
                if waiting:
                    hand_over(pipe)
                yield answer
            if turns and turns[0] in ready and not is_landing:
                ready.remove(turns[0])
                _say(turns[0], None)
                is_landing = True
    finally:
        for pipe, process in processes.items():
            pipe.close()
            # One that has nothing to do ends by itself; the database takes back what another one has in hand.
            if turns:
                process.kill()
        for process in processes.values():
            process.join()


def _start_worker(connect: Connect) -> tuple[Pipe, BaseProcess]:
    # Not a fork: threads of ours, such as that of a progress bar, might hold a lock at that moment.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, connect), daemon=True)
    # Ctrl-C goes to every process of the terminal, and who ends a service may tell every process of it: that is ours to
    # answer. A blocked signal stays so in the child; starting the tracker of multiprocessing, which the first child
    # needs, would unblock it.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return ours, process


def _say(pipe: Pipe, what: _Task | None) -> None:
    """Give a worker a slice to prepare, or its turn to land it."""
    # That a process is dead already shows when its answer is read.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        pipe.send(what)


def _answer(pipe: Pipe, process: BaseProcess, source: SliceSource) -> tuple[int, SliceOutcome] | None:
    """Hear from a worker what became of its slice, or that it is ready to land it."""
    try:
        answer: tuple[int, SliceOutcome] | BaseException | None = pipe.recv()
    except (EOFError, ConnectionResetError):
        process.join()
        raise WorkerDied(source, process.exitcode) from None
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _work(pipe: Pipe, connect: Connect) -> None:
    """Load the slices that come through a pipe, each when its turn has come, until the pipe closes."""
    try:
        with connect(autocommit=True) as connection:
            while True:
                task = pipe.recv()
                prepared = _prepare(connection, task)
                pipe.send(None)
                pipe.recv()
                pipe.send((task.place, _land(connection, prepared)))
                # Else its memory would be held while the next slice is prepared.
                del prepared
    except EOFError:
        return
    except Exception as error:  # whatever it is, the parent raises it
        with contextlib.suppress(BrokenPipeError):
            pipe.send(error)


# ----------------------------------------------------------------------------------------------------------------------
# One slice


@dataclass(frozen=True)
class _Contents:
    """What is in a slice, ready to land."""

    info: bytes
    playlists: list[PackedPlaylist]
    rejects: list[Reject]


@dataclass(frozen=True)
class _Prepared:
    """A slice that has been read.

    Attributes:
        attempt: What is known of it.
        strict: Whether to refuse it for a single reject.
        contents: What is to land of it; its bytes, if another slice has landed the same; None if it has landed itself.
    """

    attempt: Attempt
    strict: bool
    contents: _Contents | SliceRefused | bytes | None


def _prepare(connection: Connection, task: _Task) -> _Prepared:
    attempt = Attempt(task.load_id, task.source, time.monotonic())
    try:
        data = read(task.source)
        attempt = replace(attempt, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
        if task.strict:
            _require_no_open_rejects(connection, attempt)
        if ledger.is_known(connection, attempt):
            return _Prepared(attempt, task.strict, None)
        if ledger.find_original(connection, attempt):
            return _Prepared(attempt, task.strict, data)
        return _Prepared(attempt, task.strict, _contents(data))
    except SliceRefused as refusal:
        return _Prepared(attempt, task.strict, refusal)


def _contents(data: bytes) -> _Contents:
    parts = split(data)
    playlists: list[PackedPlaylist] = []
    rejects: list[Reject] = []
    try:
        for found in validate(parts.playlists):
            if isinstance(found, Reject):
                rejects.append(found)
            else:
                playlists.append(pack(found))
    except UnicodeDecodeError:
        require_utf8(data)
        raise
    return _Contents(parts.info, playlists, rejects)


def _land(connection: Connection, prepared: _Prepared) -> SliceOutcome:
    attempt, contents = prepared.attempt, prepared.contents
    if contents is None:
        return _outcome(attempt, "skipped")
    try:
        if isinstance(contents, SliceRefused):
            raise contents
        return _land_contents(connection, attempt, contents, strict=prepared.strict)
    except SliceRefused as refusal:
        with connection.transaction():
            ledger.record_refusal(connection, attempt, refusal)
        return replace(_outcome(attempt, "refused"), reason=refusal.reason, detail=refusal.detail)


def _land_contents(
    connection: Connection, attempt: Attempt, contents: _Contents | bytes, *, strict: bool
) -> SliceOutcome:
    for attempts_left in reversed(range(_ATTEMPTS)):
        try:
            with connection.transaction():
                return _land_once(connection, attempt, contents, strict=strict)
        except _COLLISIONS as collision:
            if not attempts_left:
                raise
            logger.info("slice=%s event=collision error=%s", attempt.source, type(collision).__name__)
    raise AssertionError


def _land_once(connection: Connection, attempt: Attempt, contents: _Contents | bytes, *, strict: bool) -> SliceOutcome:
    ledger.claim(connection, str(attempt.sha256))
    if strict:
        _require_no_open_rejects(connection, attempt)
    if ledger.is_known(connection, attempt):
        return _outcome(attempt, "skipped")
    # What is current, and so what is a duplicate or held already, stays so from here on.
    ledger.take_turn(connection)
    if original := ledger.find_original(connection, attempt):
        ledger.record_duplicate(connection, attempt, original)
        return _outcome(attempt, "skipped")
    if isinstance(contents, bytes):
        # What the other slice landed has been superseded since this one was read.
        contents = _contents(contents)
    try:
        slice_id = ledger.open_entry(connection, attempt, contents.info)
    except UNSTORABLE as error:
        raise SliceRefused("refused_by_database", f"info: {error.diag.message_primary}") from error
    landed = land(connection, slice_id, contents.playlists)
    rejects = sorted([*contents.rejects, *landed.rejects], key=lambda reject: reject.ordinal)
    if strict and rejects:
        raise SliceRefused("rejects_under_strict", _summary(rejects))
    ledger.record_rejects(connection, slice_id, attempt.source, rejects)
    ledger.close_entry(connection, slice_id, landed, len(rejects))
    return replace(
        _outcome(attempt, "landed"),
        landed=landed.landed,
        unchanged=landed.unchanged,
        superseding=landed.superseding,
        rejected=len(rejects),
    )


def _require_no_open_rejects(connection: Connection, attempt: Attempt) -> None:
    if count := ledger.count_open_rejects(connection, str(attempt.sha256)):
        raise SliceRefused("rejects_under_strict", f"it has landed, but for playlists that are rejects still: {count}")


def _outcome(attempt: Attempt, outcome: Literal["landed", "skipped", "refused"]) -> SliceOutcome:
    return SliceOutcome(attempt.source, outcome, attempt.size or 0, attempt.seconds)


def _summary(rejects: Sequence[Reject]) -> str:
    first = rejects[0]
    return (
        f"playlists that break a rule: {len(rejects)}; the first is number {first.ordinal}: {first.reason}, "
        f"{first.detail}"
    )


def _log(outcome: SliceOutcome) -> None:
    facts: dict[str, object] = {"slice": repr(str(outcome.source)), "outcome": outcome.outcome}
    if outcome.outcome == "landed":
        facts |= {
            "playlists_landed": outcome.landed,
            "playlists_unchanged": outcome.unchanged,
            "playlists_superseding": outcome.superseding,
            "playlists_rejected": outcome.rejected,
        }
    if outcome.reason:
        facts |= {"reason": outcome.reason, "detail": repr(outcome.detail)}
    facts |= {"bytes": outcome.bytes, "seconds": f"{outcome.seconds:.3f}"}
    level = logging.WARNING if outcome.outcome == "refused" or outcome.rejected else logging.DEBUG
    logger.log(level, " ".join(f"{name}={value}" for name, value in facts.items()))
