"""What watching a folder promises, on a real server; time passes only in the stories that the tests tell."""

import contextlib
import errno
import gzip
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from builders import playlist, slice_of, write_zip
from psycopg import Connection

import loaders.load
from loaders.load import LoadReport, load
from loaders.slices import LoadError, SliceSource
from loaders.watch import is_whole, watch
from warehouse.database import connect
from warehouse.errors import DatabaseError, DatabaseUnreachable

DATA = slice_of(playlist(pid) for pid in range(3))
DEADLINE_SECONDS = 30


class TheEnd(BaseException):
    """Of a story."""


def watched(folder: Path, story: Iterator[float], **options: object) -> list[LoadReport]:
    """Watch a folder while a story goes on, which yields how many seconds pass; return what was told of landings.

    The story begins after the first look into the folder.
    """
    told: list[LoadReport] = []
    now = wake = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now, wake
        if now >= wake:
            try:
                wake = now + next(story)
            except StopIteration:
                raise TheEnd from None
        now += seconds

    arguments = {"connect": connect, "landed": told.append} | options
    with pytest.raises(TheEnd):
        watch(folder=folder, monotonic=lambda: now, sleep=sleep, **arguments)  # type: ignore[arg-type]
    return told


def put(path: Path, data: bytes, age: float = 0) -> Path:
    """Write a file, whose time differs from that of every other one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    changed = time.time_ns() - int(age * 1e9)
    os.utime(path, ns=(changed, changed))
    return path


def name(first: int, suffix: str = ".json") -> str:
    return f"mpd.slice.{first}-{first + 999}{suffix}"


def current(connection: Connection) -> dict[int, str]:
    with connection.transaction():
        return dict(
            connection.execute("select pid, name from staging.playlists where superseded_at is null").fetchall()
        )


def versions(connection: Connection) -> int:
    with connection.transaction():
        return len(connection.execute("select from staging.playlists").fetchall())


def ledger_rows(connection: Connection) -> list[tuple[object, ...]]:
    with connection.transaction():
        return connection.execute("select outcome, reason from staging.slices order by slice_id").fetchall()


def load_rows(connection: Connection) -> list[str]:
    with connection.transaction():
        return [
            outcome
            for command, outcome in connection.execute("select command, outcome from ops.loads order by load_id")
            if command == "watch"
        ]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record for record in caplog.records if record.name == "loaders.watch"]
    return [record.getMessage() for record in found if record.levelno >= logging.WARNING]


# Arriving


def test_a_slice_that_arrives_lands_once_and_is_told(tmp_path: Path, connection: Connection) -> None:
    def story() -> Iterator[float]:
        assert load_rows(connection) == []
        put(tmp_path / name(0), DATA)
        yield 100
        put(tmp_path / "deep" / "er" / name(1000), slice_of([playlist(1000)]))
        put(tmp_path / "mine.json", slice_of([playlist(7)]))
        put(tmp_path / "mpd.slice.5-6.json.gz", gzip.compress(slice_of([playlist(8)])))
        yield 100

    told = watched(tmp_path, story())

    assert sorted(current(connection)) == [0, 1, 2, 7, 8, 1000]
    assert load_rows(connection) == ["succeeded"] * 2
    assert ledger_rows(connection) == [("landed", None)] * 4
    assert [(report.landed, report.playlists_landed) for report in told] == [(1, 3), (3, 3)]


def test_what_is_there_at_the_start_lands_at_once_if_it_was_left_alone(tmp_path: Path, connection: Connection) -> None:
    put(tmp_path / name(0), slice_of([playlist(0)]), age=3600)
    put(tmp_path / name(1000), slice_of([playlist(1)]))
    put(tmp_path / name(2000), slice_of([playlist(2)]), age=-3600)

    def story() -> Iterator[float]:
        assert sorted(current(connection)) == [0]
        yield 3
        assert sorted(current(connection)) == [0, 1, 2]

    watched(tmp_path, story())


def test_the_time_of_a_file_that_arrives_later_says_nothing(tmp_path: Path, connection: Connection) -> None:
    def story() -> Iterator[float]:
        put(tmp_path / name(0), DATA, age=3600)
        yield 2
        assert load_rows(connection) == []
        yield 2
        assert load_rows(connection) == ["succeeded"]

    watched(tmp_path, story())


def test_nothing_to_do_makes_no_rows(tmp_path: Path, connection: Connection) -> None:
    put(tmp_path / "notes.txt", DATA, age=3600)
    write_zip(tmp_path / "mpd.zip", {name(5000): DATA})
    put(tmp_path / name(0), DATA, age=3600)
    (tmp_path / name(1000)).symlink_to(put(tmp_path / "elsewhere", slice_of([playlist(9)]), age=3600))

    def story() -> Iterator[float]:
        yield 1000

    assert [report.landed for report in watched(tmp_path, story())] == [2]
    assert watched(tmp_path, story()) == []
    assert load_rows(connection) == ["succeeded"]


def test_what_another_load_has_landed_meanwhile_makes_no_rows(tmp_path: Path, connection: Connection) -> None:
    def story() -> Iterator[float]:
        load(connect, [put(tmp_path / name(0), DATA)])
        yield 100

    assert watched(tmp_path, story()) == []
    assert load_rows(connection) == []


# Whole files only


@pytest.mark.parametrize(
    "data", [slice_of([playlist(0, length=1)]), slice_of([]), b'{"playlists": [], "info": {}} \r\n']
)
def test_only_a_whole_file_ends_like_a_slice(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "slice"
    found = []
    for length in range(len(data.rstrip()) + 1):
        path.write_bytes(data[:length])
        found += [length] if is_whole(path) else []
    assert found == [len(data.rstrip())]
    path.write_bytes(data)
    assert is_whole(path)


def test_only_a_whole_gzip_stream_ends_like_a_slice(tmp_path: Path) -> None:
    path = tmp_path / "slice"
    halves = gzip.compress(DATA[:500]) + gzip.compress(DATA[500:])
    found = []
    for length in range(len(halves) + 1):
        path.write_bytes(halves[:length])
        found += [length] if is_whole(path) else []
    assert found == [len(halves)]


@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
@pytest.mark.parametrize("pause", [1, 30])
def test_a_slow_writer_is_waited_for(tmp_path: Path, connection: Connection, suffix: str, pause: float) -> None:
    data = DATA if suffix == ".json" else gzip.compress(DATA)
    path = tmp_path / name(0, suffix)

    def story() -> Iterator[float]:
        for written in range(0, len(data), len(data) // 7):
            put(path, data[:written])
            yield pause
            assert load_rows(connection) == []
        put(path, data)
        yield 5

    assert [report.playlists_landed for report in watched(tmp_path, story())] == [3]
    assert ledger_rows(connection) == [("landed", None)]
    assert load_rows(connection) == ["succeeded"]


@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_a_stalled_writer_is_refused_late_and_once_and_lands_when_it_goes_on(
    tmp_path: Path, connection: Connection, caplog: pytest.LogCaptureFixture, suffix: str
) -> None:
    data = DATA if suffix == ".json" else gzip.compress(DATA)
    reason = "not_json" if suffix == ".json" else "corrupt_archive"
    path = tmp_path / name(0, suffix)

    def story() -> Iterator[float]:
        put(path, data[:-20])
        yield 59
        assert load_rows(connection) == []
        yield 1000
        assert load_rows(connection) == ["refused_some"]
        assert ledger_rows(connection) == [("refused", reason)]
        put(path, data)
        yield 5

    told = watched(tmp_path, story())

    assert [report.playlists_landed for report in told] == [3]
    assert ledger_rows(connection) == [("refused", reason), ("landed", None)]
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


def test_a_refused_slice_is_tried_again_when_it_is_repaired(tmp_path: Path, connection: Connection) -> None:
    def story() -> Iterator[float]:
        put(tmp_path / name(0), b'{"playlists": {}, "info": {}}')
        yield 1000
        put(tmp_path / name(0), DATA)
        yield 1000

    told = watched(tmp_path, story())

    assert [(report.landed, report.refused) for report in told] == [(1, 0)]
    assert ledger_rows(connection) == [("refused", "wrong_shape"), ("landed", None)]
    assert load_rows(connection) == ["refused_some", "succeeded"]


def test_strict_refuses_a_slice_for_one_reject(tmp_path: Path, connection: Connection) -> None:
    put(tmp_path / name(0), slice_of([playlist(0), playlist(1, name="")]), age=60)

    def story() -> Iterator[float]:
        yield 5

    assert watched(tmp_path, story(), strict=True) == []
    assert ledger_rows(connection) == [("refused", "rejects_under_strict")]


def test_a_replaced_file_is_a_new_version(tmp_path: Path, connection: Connection) -> None:
    def story() -> Iterator[float]:
        put(tmp_path / name(0), slice_of([playlist(0, name="old")]))
        yield 10
        put(tmp_path / name(0), slice_of([playlist(0, name="new")]))
        yield 1
        assert current(connection) == {0: "old"}
        yield 10

    told = watched(tmp_path, story())

    assert [report.playlists_superseding for report in told] == [0, 1]
    assert current(connection) == {0: "new"}
    assert versions(connection) == 2


def test_a_file_renamed_into_place_lands(tmp_path: Path, connection: Connection) -> None:
    def story() -> Iterator[float]:
        partial = put(tmp_path / (name(0) + ".part"), DATA)
        yield 100
        assert load_rows(connection) == []
        partial.rename(tmp_path / name(0))
        yield 5

    assert [report.landed for report in watched(tmp_path, story())] == [1]


# A database that fails


def test_a_database_that_is_away_is_tried_again_ever_more_rarely(
    tmp_path: Path, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0

    def connect_when_up(*, autocommit: bool = False) -> Connection:
        nonlocal tries
        tries += 1
        if is_down:
            raise DatabaseUnreachable(f"it is down: {tries}")
        return connect(autocommit=autocommit)

    is_down = True

    def story() -> Iterator[float]:
        nonlocal is_down
        put(tmp_path / name(0), DATA, age=0)
        yield 3
        assert tries == 1
        yield 1 + 2 + 4 + 8
        assert tries == 5
        put(tmp_path / name(1000), slice_of([playlist(1000)]))
        yield 16 + 32 + 60 + 60
        assert tries == 9
        assert len(warnings(caplog)) == 1
        is_down = False
        yield 60

    told = watched(tmp_path, story(), connect=connect_when_up)

    assert [report.playlists_landed for report in told] == [4]
    assert load_rows(connection) == ["succeeded"]
    down, up = warnings(caplog)
    assert "event=trouble with=database" in down
    assert "it is down: 1" in down
    assert "event=recovered with=database" in up


def terminate_once(connection: Connection, event: str, table: str, nth: int, when: str = "true") -> None:
    """Let the server end the session that writes a table for the n-th time."""
    with connection.transaction():
        connection.execute("create sequence writes")
        connection.execute(
            "create function terminate() returns trigger language plpgsql as $$ begin"
            f" if nextval('writes') = {nth} then perform pg_terminate_backend(pg_backend_pid()); end if;"
            " return null; end $$"
        )
        connection.execute(
            f"create trigger terminate after {event} on {table} for each row when ({when}) execute function terminate()"
        )


@pytest.mark.parametrize("workers", [1, 2])
def test_a_database_that_fails_midway_loses_nothing_and_lands_nothing_twice(
    tmp_path: Path, connection: Connection, caplog: pytest.LogCaptureFixture, workers: int
) -> None:
    terminate_once(connection, "insert", "staging.slices", 3)
    for first in range(5):
        put(tmp_path / name(first * 1000), slice_of([playlist(first)]), age=60)

    def story() -> Iterator[float]:
        assert len(current(connection)) < 5
        yield 100

    told = watched(tmp_path, story(), workers=workers)

    assert sorted(current(connection)) == [0, 1, 2, 3, 4]
    assert ledger_rows(connection) == [("landed", None)] * 5
    assert load_rows(connection)[1:] == ["succeeded"]
    # With workers, what one committed while the other one failed may be told as known.
    assert [(report.landed + report.skipped, report.refused) for report in told] == [(5, 0)]
    assert [line.split()[0] for line in warnings(caplog)] == ["event=trouble", "event=recovered"]


def test_what_landed_is_told_though_its_load_failed_at_the_very_end(tmp_path: Path, connection: Connection) -> None:
    terminate_once(connection, "update", "ops.loads", 1, "new.outcome = 'succeeded'")
    put(tmp_path / name(0), DATA, age=60)

    def story() -> Iterator[float]:
        assert len(current(connection)) == 3
        yield 100

    told = watched(tmp_path, story())

    assert [report.playlists_landed for report in told] == [3]
    # The server took back what the load wrote of its end, and nothing was left to load.
    assert len(load_rows(connection)) == 1


def test_what_landed_is_told_though_the_answer_to_its_commit_was_lost(tmp_path: Path, connection: Connection) -> None:
    put(tmp_path / name(0), DATA, age=60)
    is_lost = False

    def connect_badly(*, autocommit: bool = False) -> Connection:
        bad = connect(autocommit=autocommit)
        transaction = bad.transaction

        @contextlib.contextmanager
        def lose_one_answer() -> Iterator[None]:
            nonlocal is_lost
            with transaction():
                yield
            if not is_lost and current(connection):
                is_lost = True
                raise psycopg.OperationalError

        bad.transaction = lose_one_answer  # type: ignore[assignment, method-assign]
        return bad

    def story() -> Iterator[float]:
        yield 100

    told = watched(tmp_path, story(), connect=connect_badly)

    assert is_lost
    assert [(report.landed, report.skipped) for report in told] == [(0, 1)]
    assert ledger_rows(connection) == [("landed", None)]
    assert load_rows(connection) == ["failed"]


def die_once(*, autocommit: bool = False) -> Connection:
    """Open a connection, on which one of the processes that load dies in the middle of its first slice."""
    connection = connect(autocommit=autocommit)
    if multiprocessing.parent_process() is not None:
        with contextlib.suppress(FileNotFoundError):
            Path(os.environ["DIE_ONCE"]).unlink()
            connection.execute = lambda *_: os._exit(9)  # type: ignore[method-assign]
    return connection


def test_a_process_that_dies_loses_nothing(
    tmp_path: Path, connection: Connection, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIE_ONCE", str(put(tmp_path / "marker", b"")))
    for first in range(3):
        put(tmp_path / "in" / name(first * 1000), slice_of([playlist(first)]), age=60)

    def story() -> Iterator[float]:
        yield 100

    told = watched(tmp_path / "in", story(), connect=die_once, workers=2)

    assert sorted(current(connection)) == [0, 1, 2]
    # What the process had in hand comes after the others.
    assert [report.landed + report.skipped for report in told] == [2, 1]
    assert load_rows(connection) == ["failed", "succeeded", "succeeded"]
    assert "event=trouble with=workers" in warnings(caplog)[0]


def die_of_poison(*, autocommit: bool = False) -> Connection:
    """Open a connection, on which a process that loads dies of one file, each time."""
    connection = connect(autocommit=autocommit)
    execute = connection.execute

    def execute_or_die(query: str, parameters: object = None) -> object:
        if isinstance(parameters, dict) and str(parameters.get("source")).endswith("poison.json"):
            os._exit(9)
        return execute(query, parameters)  # type: ignore[arg-type]

    if multiprocessing.parent_process() is not None:
        connection.execute = execute_or_die  # type: ignore[assignment]
    return connection


def test_a_file_that_kills_each_process_keeps_no_other_from_landing(tmp_path: Path, connection: Connection) -> None:
    put(tmp_path / "poison.json", slice_of([playlist(9)]), age=60)
    put(tmp_path / name(0), slice_of([playlist(0)]), age=60)

    def story() -> Iterator[float]:
        yield 10
        assert sorted(current(connection)) == [0]
        put(tmp_path / name(1000), slice_of([playlist(1000)]))
        yield 10
        assert sorted(current(connection)) == [0, 1000]

    told = watched(tmp_path, story(), connect=die_of_poison, workers=2)

    assert sum(report.landed for report in told) == 2


@pytest.mark.parametrize("error", [TypeError, psycopg.errors.UndefinedColumn, psycopg.errors.NotNullViolation])
def test_a_mistake_of_ours_ends_the_watch(tmp_path: Path, error: type[Exception]) -> None:
    put(tmp_path / name(0), DATA, age=60)

    def mistaken(*, autocommit: bool = False) -> Connection:
        raise error

    with pytest.raises(error):
        watch(mistaken, tmp_path, sleep=never)


def test_what_the_listener_raises_ends_the_watch(tmp_path: Path, connection: Connection) -> None:
    put(tmp_path / name(0), DATA, age=60)

    def listen(report: LoadReport) -> None:
        raise DatabaseError

    with pytest.raises(DatabaseError):
        watch(connect, tmp_path, landed=listen, sleep=never)
    assert load_rows(connection) == ["succeeded"]


def never(seconds: float) -> None:
    raise AssertionError("it waits instead")


# A folder that fails


@pytest.mark.parametrize("what", ["nothing", "a file"])
def test_a_folder_that_is_not_there_at_the_start_is_an_error(tmp_path: Path, what: str) -> None:
    if what == "a file":
        put(tmp_path / "folder", DATA)

    with pytest.raises(LoadError, match=r"folder: .*; name a folder"):
        watch(no_database, tmp_path / "folder", sleep=never)


def no_database(*, autocommit: bool = False) -> Connection:
    raise AssertionError("it connects")


@pytest.mark.parametrize("mount_point", ["gone", "empty", "a file"])
def test_a_folder_that_vanishes_and_returns_loses_nothing_and_lands_nothing_twice(
    tmp_path: Path, connection: Connection, caplog: pytest.LogCaptureFixture, mount_point: str
) -> None:
    folder = tmp_path / "in"
    put(folder / name(0), DATA, age=60)

    def story() -> Iterator[float]:
        away = folder.rename(tmp_path / "away")
        put(away / name(1000), slice_of([playlist(1000)]))
        if mount_point == "empty":
            folder.mkdir()
        elif mount_point == "a file":
            put(folder, slice_of([playlist(99)]))
        yield 1000
        assert sorted(current(connection)) == [0, 1, 2]
        if mount_point == "empty":
            folder.rmdir()
        folder.unlink(missing_ok=True)
        away.rename(folder)
        yield 70

    told = watched(folder, story())

    assert [report.landed for report in told] == [1, 1]
    assert sorted(current(connection)) == [0, 1, 2, 1000]
    assert load_rows(connection) == ["succeeded"] * 2
    events = [line.split(";")[0].split()[:2] for line in warnings(caplog)]
    expected = [["event=trouble", "with=folder"], ["event=recovered", "with=folder"]]
    assert events == ([] if mount_point == "empty" else expected)


def test_a_folder_that_vanishes_during_a_load_loses_nothing(
    tmp_path: Path, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    for first in range(3):
        put(folder / name(first * 1000), slice_of([playlist(first)]), age=60)
    discover = loaders.load.discover

    def discover_and_unmount(paths: list[Path]) -> list[SliceSource]:
        found = discover(paths)
        if ledger_rows(connection) == []:
            folder.rename(tmp_path / "away")
        return found

    def story() -> Iterator[float]:
        assert ledger_rows(connection) == [("refused", "unreadable")] * 3
        yield 1000
        assert load_rows(connection) == ["refused_some"]
        (tmp_path / "away").rename(folder)
        yield 150

    monkeypatch.setattr(loaders.load, "discover", discover_and_unmount)

    assert [report.landed for report in watched(folder, story())] == [3]
    assert load_rows(connection) == ["refused_some", "succeeded"]


def test_a_file_that_cannot_be_read_is_refused_once_and_lands_when_it_can(
    tmp_path: Path, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path / name(0), DATA)
    put(tmp_path / name(1000), slice_of([playlist(1000)]))
    is_readable = False
    open_file = Path.open

    # Its permissions would not do: the tests may run as root, who reads every file.
    def refuse(opened: Path, *arguments: str, **options: str) -> object:
        if opened == path and not is_readable:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(opened))
        return open_file(opened, *arguments, **options)

    def story() -> Iterator[float]:
        nonlocal is_readable
        yield 1000
        assert load_rows(connection) == ["refused_some"]
        is_readable = True
        yield 70

    monkeypatch.setattr(Path, "open", refuse)

    assert [report.landed for report in watched(tmp_path, story())] == [1, 1]
    assert ledger_rows(connection) == [("refused", "unreadable"), ("landed", None), ("landed", None)]


def test_a_file_moved_away_during_a_look_is_no_trouble(
    tmp_path: Path, connection: Connection, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / name(0), DATA, age=60)
    moving = put(tmp_path / "moving.json", DATA)
    is_file = Path.is_file

    def look_and_move(path: Path) -> bool:
        found = is_file(path)
        if path == moving:
            moving.unlink(missing_ok=True)
        return found

    def story() -> Iterator[float]:
        assert sorted(current(connection)) == [0, 1, 2]
        yield 1

    monkeypatch.setattr(Path, "is_file", look_and_move)
    watched(tmp_path, story())

    assert not moving.exists()
    assert warnings(caplog) == []


# Ctrl-C


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Interrupts raise KeyboardInterrupt, also where a shell has them ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_while_it_waits_ends_the_watch_and_what_landed_stays(
    tmp_path: Path, connection: Connection
) -> None:
    put(tmp_path / name(0), DATA, age=60)

    def interrupted(seconds: float) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        watch(connect, tmp_path, sleep=interrupted)

    assert len(current(connection)) == 3
    assert load_rows(connection) == ["succeeded"]


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_during_a_load_ends_the_watch_and_what_landed_stays(
    tmp_path: Path, connection: Connection
) -> None:
    put(tmp_path / name(0), DATA, age=60)
    put(tmp_path / name(1000), slice_of([playlist(1000)]), age=60)

    # The second slice waits for a playlist that nobody lets go.
    with closing(connect()) as holder:
        holder.execute(
            "with slice as (insert into staging.slices (source, outcome, started_at, finished_at)"
            " values ('', 'landed', now(), now()) returning slice_id)"
            " insert into staging.playlists select 1000, slice_id, 0, now(), null, false,"
            " 0, 0, 0, 0, 1, 1, 0, '', null, '{}', '{}', '{}', '{}', '{}', '{}', '{}', null from slice"
        )
        interrupter = threading.Thread(target=interrupt_when_it_waits)
        interrupter.start()
        with pytest.raises(KeyboardInterrupt):
            watch(connect, tmp_path, sleep=never)
        interrupter.join()
        holder.rollback()

    assert sorted(current(connection)) == [0, 1, 2]
    assert ledger_rows(connection) == [("landed", None)]
    assert load_rows(connection) == ["interrupted"]


def interrupt_when_it_waits() -> None:
    with closing(connect(autocommit=True)) as connection:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            waiting = connection.execute(
                "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            ).fetchall()
            if waiting:
                break
        os.kill(os.getpid(), signal.SIGINT)
