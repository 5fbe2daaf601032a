"""What kill -9, Ctrl-C and a second command leave of a load, and that loading again ends as if they had not been."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import psutil
import psycopg
import pytest
from commands import BIN
from psycopg import Connection

from loaders import ledger
from warehouse import embedded
from warehouse.database import connect
from warehouse.errors import DatabaseError
from warehouse.settings import home

KILLS = 50
SERVER_KILLS = 5
INTERRUPTS = 5
SEED = 20171203
DEADLINE_SECONDS = 120

SLICES_A_BATCH = 24
PLAYLISTS_A_SLICE = 50
TRACKS_A_PLAYLIST = 12

WORKERS = 2
LOAD = [str(BIN / "mixhouse"), "load", "--workers", str(WORKERS)]
# Exit codes of a load that has gone through everything, without and with rejects, and of one that Ctrl-C ended.
FINISHED = (0, 1)
INTERRUPTED = 130
GOES_ON = "mixhouse: interrupted; what was finished stays, and the same command goes on from there"

Json = dict[str, Any]
Found = TypeVar("Found")


# ----------------------------------------------------------------------------------------------------------------------
# Slices, and what the database must hold of them


def playlist(pid: int, version: int) -> Json:
    def uri(kind: str, number: int) -> str:
        return f"spotify:{kind}:{number:022d}"

    tracks = [
        {
            "pos": pos,
            "artist_name": f'Ænima "{pid % 97}" 🎸',
            "track_uri": uri("track", 31 * pid + pos),
            "artist_uri": uri("artist", pid % 97),
            "track_name": f"Étude \\ {pos}",
            "album_uri": uri("album", pid % 989),
            "duration_ms": 200_000 + pos,
            "album_name": f"Album {pid % 989}",
        }
        for pos in range(TRACKS_A_PLAYLIST)
    ]
    return {
        "name": f"Playlist {pid}, version {version}",
        "collaborative": "false",
        "pid": pid,
        "modified_at": 1_493_424_000,
        "num_tracks": len(tracks),
        "num_albums": 1,
        "num_artists": 1,
        "num_followers": 1 + version,
        "num_edits": 2,
        "duration_ms": 200_000 * len(tracks),
        "tracks": tracks,
    }


@dataclass
class Input:
    """A folder of slices, and what the database must hold when all of it has landed, known by construction.

    Attributes:
        folder: With a subfolder for each batch.
        current: The version that must be the current one, by pid.
        versions: For each version of a playlist, pid and slice; the last one of a pid is current.
        counts: For each slice, its playlists landed, unchanged, superseding and rejected.
        rejects: For each reject, slice, ordinal and bytes.
    """

    folder: Path
    batches: int = 0
    current: dict[int, int] = field(default_factory=dict)
    versions: list[tuple[int, str]] = field(default_factory=list)
    counts: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)
    rejects: list[tuple[str, int, bytes]] = field(default_factory=list)

    def add_batch(self) -> None:
        """Write slices of new playlists, some of playlists of the first batch, and in each third slice a reject."""
        for number in range(SLICES_A_BATCH):
            is_revision = self.batches and number % 4 == 1
            first = number * PLAYLISTS_A_SLICE if is_revision else len(self.current)
            pids = range(first, first + PLAYLISTS_A_SLICE)
            self.add_slice(f"batch-{self.batches}", number * 1000, pids, has_reject=number % 3 == 0)
        self.batches += 1

    def add_slice(self, batch: str, first: int, pids: Sequence[int], *, has_reject: bool = False) -> Path:
        """Write a slice; where a pid is known and even, it brings another version."""
        path = self.folder / batch / f"mpd.slice.{first}-{first + 999}.json"
        source = str(path)
        known = self.current.keys() & set(pids)
        changed = [pid for pid in pids if pid not in known or pid % 2 == 0]
        self.current |= dict.fromkeys(changed, len(self.counts))
        self.versions += [(pid, source) for pid in changed]
        self.counts[source] = (
            len(changed),
            len(pids) - len(changed),
            len(known.intersection(changed)),
            int(has_reject),
        )
        texts = [json.dumps(playlist(pid, self.current[pid])).encode() for pid in pids]
        if has_reject:
            middle = len(texts) // 2
            texts.insert(middle, json.dumps(playlist(pids[0], 0) | {"name": ""}).encode())
            self.rejects.append((source, middle, texts[middle]))
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(b'{"info": {"version": "v1"}, "playlists": [' + b",\n".join(texts) + b"]}")
        return path


def assert_landed_exactly_once(expected: Input) -> None:
    with contextlib.closing(connected()) as connection:
        rows = connection.execute(
            "select source, outcome, playlists_landed, playlists_unchanged, playlists_superseding, playlists_rejected"
            " from staging.slices"
        ).fetchall()
        assert sorted(rows) == sorted((source, "landed", *counts) for source, counts in expected.counts.items())
        held = connection.execute(
            "select pid, source, superseded_at is null from staging.playlists"
            " inner join staging.slices using (slice_id)"
        ).fetchall()
        current = dict(expected.versions)
        assert sorted(held) == sorted((pid, source, current[pid] == source) for pid, source in expected.versions)
        rejects = connection.execute("select source, ordinal, raw from staging.rejects").fetchall()
        assert sorted(rejects) == sorted(expected.rejects)
        assert_current(connection, expected)


def assert_current(connection: Connection, expected: Input) -> None:
    documents = connection.execute("select pid, doc from staging.playlist_documents").fetchall()
    assert sorted(pid for pid, _ in documents) == sorted(expected.current)
    assert [pid for pid, document in documents if document != playlist(pid, expected.current[pid])] == []


# ----------------------------------------------------------------------------------------------------------------------
# The command, its processes, and the end of them


@dataclass
class Command:
    """`mixhouse load` with two workers, running.

    Attributes:
        process: In a session of its own, by which all of its processes are found.
        output: What it writes, complaints included.
    """

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def has_finished(self) -> bool:
        return self.process.returncode in FINISHED

    def processes(self) -> list[psutil.Process]:
        """Those that are alive: its own, those that load, and what `multiprocessing` starts beside them."""
        found = []
        for number in psutil.pids():
            with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
                if os.getsid(number) == self.process.pid:
                    process = psutil.Process(number)
                    if process.status() != psutil.STATUS_ZOMBIE:
                        found.append(process)
        return found

    def workers(self) -> list[psutil.Process]:
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                if any("spawn_main" in argument for argument in process.cmdline()):
                    found.append(process)
        return found

    def is_over(self, within: float = 0) -> bool:
        try:
            self.process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self) -> int:
        """Wait for its end and return the exit code; whatever it has met, it knew what that was."""
        code = self.process.wait(timeout=DEADLINE_SECONDS)
        text = self.output.read_text()
        assert "Traceback" not in text, text
        assert "--debug" not in text, text
        return code

    def wait_until_nothing_is_left(self) -> None:
        wait_for(lambda: not self.processes())


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[[Path], Command]]:
    """Starts `mixhouse load`; a test that fails leaves no process."""
    started: list[Command] = []
    # Where a shell runs the tests in the background, Ctrl-C would be ignored, by the commands too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def start(folder: Path) -> Command:
        output = tmp_path / f"output-{len(started)}"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [*LOAD, str(folder)], stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )
        started.append(Command(process, output))
        return started[-1]

    yield start
    signal.signal(signal.SIGINT, before)
    for command in started:
        for process in command.processes():
            process.kill()
        command.process.wait()


def connected() -> Connection:
    """Connect, waiting for a server that recovers."""

    def attempt() -> Connection | None:
        with contextlib.suppress(DatabaseError):
            return connect(autocommit=True)
        return None

    return wait_for(attempt)


def wait_for(condition: Callable[[], Found | None]) -> Found:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def backends(connection: Connection) -> list[int]:
    """Those that serve a load in this database, by their process number."""
    rows = connection.execute(
        "select pid from pg_stat_activity"
        " where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()"
    ).fetchall()
    return [number for (number,) in rows]


# Each of these waits for some moment of a load that takes so many seconds undisturbed, and says whether it was in time.
Disturb = Callable[[Command, Random, float], bool]


def kill_command(command: Command, random: Random, seconds: float) -> bool:
    return lives_to_some_moment(command, random, seconds) and kill(command.process.pid)


def kill_worker(command: Command, random: Random, seconds: float) -> bool:
    wait_for(lambda: command.workers() or command.is_over())
    if not lives_to_some_moment(command, random, seconds / 2):
        return False
    workers = command.workers()
    return bool(workers) and kill(random.choice(workers).pid)


def kill_backend(command: Command, random: Random, seconds: float) -> bool:
    with contextlib.closing(connected()) as connection:
        wait_for(lambda: backends(connection) or command.is_over())
        if not lives_to_some_moment(command, random, seconds / 2):
            return False
        numbers = backends(connection)
        if not numbers or not kill(random.choice(numbers)):
            return False
        # The server ends every session, and lets nobody in until it has recovered.
        wait_for(lambda: is_lost(connection))
    connected().close()
    return True


def kill_server(command: Command, random: Random, seconds: float) -> bool:
    data = embedded.status(home()).data
    assert data is not None
    if not lives_to_some_moment(command, random, seconds):
        return False
    return kill(int((data / "postmaster.pid").read_text().split()[0]))


def press_ctrl_c(command: Command, random: Random, seconds: float) -> bool:
    # Before, it is no load yet, and Python says in its own way that it was interrupted.
    wait_for(lambda: command.workers() or command.is_over())
    if not lives_to_some_moment(command, random, seconds / 2):
        return False
    # A terminal tells every process of the command.
    os.killpg(command.process.pid, signal.SIGINT)
    return True


def lives_to_some_moment(command: Command, random: Random, seconds: float) -> bool:
    """Wait for a moment within so many seconds, or after some slices, and say whether the command is running then."""
    if random.random() < 0.5:
        return not command.is_over(within=random.uniform(0, seconds))
    with contextlib.closing(connected()) as connection:
        enough = len(landed(connection)) + random.randrange(1, SLICES_A_BATCH // 3)
        wait_for(lambda: len(landed(connection)) >= enough or command.is_over())
    return not command.is_over(within=random.uniform(0, 0.05))


def is_lost(connection: Connection) -> bool:
    try:
        connection.execute("select")
    except psycopg.OperationalError:
        return True
    return False


def kill(number: int) -> bool:
    try:
        os.kill(number, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def disturb(
    load: Callable[[Path], Command], expected: Input, disturbances: Sequence[Disturb], times: int
) -> list[Command]:
    """Load batch after batch, each until a load has gone through all of it, and disturb that so many times.

    Returns:
        The loads after the first, undisturbed one. None of their processes is alive.
    """
    random = Random(SEED)  # noqa: S311 - the same moments each time
    expected.add_batch()
    started = time.monotonic()
    assert load(expected.folder).end() in FINISHED
    seconds = time.monotonic() - started
    commands: list[Command] = []
    done = 0
    while done < times or not commands[-1].has_finished:
        if not commands or commands[-1].has_finished:
            expected.add_batch()
        commands.append(load(expected.folder))
        if done < times:
            done += disturbances[done % len(disturbances)](commands[-1], random, seconds)
        commands[-1].end()
    # One whose command was killed ends with the slice that it has in hand, while the next load goes on.
    for command in commands:
        command.wait_until_nothing_is_left()
    return commands


def outcomes_of_loads() -> Counter[str]:
    with contextlib.closing(connected()) as connection:
        return Counter(outcome for (outcome,) in connection.execute("select outcome from ops.loads"))


def assert_loads_are_told_of(commands: Sequence[Command], *ends: str, perhaps: str | None = None) -> None:
    """`ops.loads` knows each of these ends, perhaps that one, and every load that said it went through."""
    outcomes = outcomes_of_loads()
    assert outcomes.keys() <= {"succeeded", "refused_some", *ends, perhaps}
    assert outcomes.keys() >= set(ends)
    finished = sum(command.has_finished for command in commands)
    assert finished < outcomes["succeeded"] + outcomes["refused_some"], "a load said nothing of being cut short"


# ----------------------------------------------------------------------------------------------------------------------
# kill -9


@pytest.mark.usefixtures("database")
def test_every_slice_lands_exactly_once_however_often_the_load_is_killed(
    load: Callable[[Path], Command], tmp_path: Path
) -> None:
    expected = Input(tmp_path / "slices")

    # The server recovers from each killed backend, which takes as long as a load.
    disturbances = [kill_command, kill_worker, kill_command, kill_worker, kill_backend]
    commands = disturb(load, expected, disturbances, KILLS)

    assert_landed_exactly_once(expected)
    assert_loads_are_told_of(commands, "cut_short", "failed")


@pytest.fixture
def own_server(session_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An embedded server of the test's own, which keeps what it has committed through every crash."""
    outer = Path(tempfile.mkdtemp(dir=session_home))
    outer.chmod(0o711)  # the server's user must pass through
    monkeypatch.setenv("MIXHOUSE_HOME", str(outer / "home"))
    yield
    embedded.reset(outer / "home")
    shutil.rmtree(outer)


@pytest.mark.usefixtures("own_server")
def test_every_slice_lands_exactly_once_however_often_the_server_is_killed(
    load: Callable[[Path], Command], tmp_path: Path
) -> None:
    expected = Input(tmp_path / "slices")

    commands = disturb(load, expected, [kill_server], SERVER_KILLS)

    assert_landed_exactly_once(expected)
    # What serves the ledger may outlive the server, and what lands, for long enough to be told of the failure.
    assert_loads_are_told_of(commands, "cut_short", perhaps="failed")


@pytest.mark.usefixtures("database")
def test_no_newer_version_lands_before_the_older_that_the_load_was_killed_over(
    load: Callable[[Path], Command], tmp_path: Path
) -> None:
    expected = Input(tmp_path / "slices")
    older = expected.add_slice("batch", 0, range(10))
    expected.add_slice("batch", 1000, range(10))
    with being_landed_elsewhere(older) as connection:
        command = load(expected.folder)
        wait_for(lambda: waiting(connection))
        assert landed(connection) == set()
        for process in command.processes():
            process.kill()
        command.end()

    assert load(expected.folder).end() in FINISHED

    with contextlib.closing(connected()) as connection:
        assert_current(connection, expected)


# ----------------------------------------------------------------------------------------------------------------------
# Ctrl-C, and SIGTERM, which does the same


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("database")
def test_ctrl_c_stops_every_process_keeps_what_was_finished_and_says_how_to_go_on(
    load: Callable[[Path], Command], tmp_path: Path, how: signal.Signals
) -> None:
    expected = Input(tmp_path / "slices")
    expected.add_batch()
    *others, one, another = expected.counts
    with being_landed_elsewhere(Path(one)), being_landed_elsewhere(Path(another)) as connection:
        command = load(expected.folder)
        # Both have a slice in hand now.
        wait_for(lambda: waiting(connection))
        os.killpg(command.process.pid, how)

        assert command.end() == INTERRUPTED
        command.wait_until_nothing_is_left()
        assert command.output.read_text().splitlines()[-1] == GOES_ON
        assert landed(connection) == set(others)
        assert outcomes_of_loads() == {"interrupted": 1}

    assert load(expected.folder).end() in FINISHED
    assert_landed_exactly_once(expected)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("database")
def test_ctrl_c_is_for_the_command_to_answer_not_for_the_processes_that_load(
    load: Callable[[Path], Command], tmp_path: Path, how: signal.Signals
) -> None:
    expected = Input(tmp_path / "slices")
    expected.add_batch()
    with being_landed_elsewhere(Path(next(iter(expected.counts)))):
        command = load(expected.folder)
        wait_for(lambda: len(command.workers()) == WORKERS)
        for process in command.workers():
            process.send_signal(how)

    assert command.end() in FINISHED

    assert_landed_exactly_once(expected)


@pytest.mark.usefixtures("database")
def test_every_slice_lands_exactly_once_whenever_ctrl_c_is_pressed(
    load: Callable[[Path], Command], tmp_path: Path
) -> None:
    expected = Input(tmp_path / "slices")

    commands = disturb(load, expected, [press_ctrl_c], INTERRUPTS)

    assert {command.process.returncode for command in commands} <= {INTERRUPTED, *FINISHED}
    assert_landed_exactly_once(expected)
    assert_loads_are_told_of(commands, "interrupted")


# ----------------------------------------------------------------------------------------------------------------------
# Two commands at once


@pytest.mark.usefixtures("database")
def test_two_loads_of_the_same_folder_at_once_land_each_slice_once(
    load: Callable[[Path], Command], tmp_path: Path
) -> None:
    expected = Input(tmp_path / "slices")
    expected.add_batch()
    assert load(expected.folder).end() in FINISHED
    expected.add_batch()
    first = list(expected.counts)[SLICES_A_BATCH]
    with being_landed_elsewhere(Path(first)) as connection:
        commands = [load(expected.folder), load(expected.folder)]
        # Both have the first of the slices in hand now.
        wait_for(lambda: waiting(connection) == 2)

    assert {command.end() for command in commands} <= set(FINISHED)

    assert_landed_exactly_once(expected)


@contextlib.contextmanager
def being_landed_elsewhere(path: Path) -> Iterator[Connection]:
    """As long as this lasts, who wants to land this slice must wait."""
    with connect() as connection:
        ledger.claim(connection, hashlib.sha256(path.read_bytes()).hexdigest())
        yield connection
        connection.rollback()


def waiting(connection: Connection) -> int:
    """How many sessions wait for a slice that another has in hand."""
    [(count,)] = connection.execute(
        "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        " and database = (select oid from pg_database where datname = current_database())"
    ).fetchall()
    return int(count)


def landed(connection: Connection) -> set[str]:
    return {source for (source,) in connection.execute("select source from staging.slices where outcome = 'landed'")}
