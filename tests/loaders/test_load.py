"""What loading promises, on a real server."""

import hashlib
import json
import logging
import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from builders import (
    INFO,
    Json,
    encoded,
    playlist,
    slice_of,
    slice_of_raw,
    track,
    write_gzip,
    write_slice,
    write_zip,
)
from psycopg import Connection

from loaders import ledger
from loaders.load import LoadReport, SliceOutcome, load
from loaders.schema import PLAYLIST_REASONS
from loaders.slices import SourceError, discover
from warehouse.database import connect

DATA = slice_of(playlist(pid) for pid in range(3))
DEADLINE_SECONDS = 30


def loaded(*paths: Path, strict: bool = False) -> LoadReport:
    return load(connect, paths, strict=strict)


def only(report: LoadReport) -> SliceOutcome:
    [outcome] = report.slices
    return outcome


def documents(connection: Connection) -> dict[int, object]:
    """What was landed, parsed from its text by Python, so that no number is rounded on the way."""
    with connection.transaction():
        return {
            pid: json.loads(doc)
            for pid, doc in connection.execute("select pid, doc::text from staging.playlist_documents order by pid")
        }


def everything(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every row as it stands, down to its place in the file and the transaction that wrote it."""
    tables = ("slices", "playlists", "rejects")
    with connection.transaction():
        return {
            table: connection.execute(f"select ctid::text, xmin::text, row.* from staging.{table} as row").fetchall()
            for table in tables
        }


def counts(connection: Connection) -> tuple[int, int, int]:
    slices, playlists, rejects = (len(rows) for rows in everything(connection).values())
    return slices, playlists, rejects


def ledger_rows(connection: Connection) -> list[tuple[object, ...]]:
    with connection.transaction():
        return connection.execute("select outcome, reason from staging.slices order by slice_id").fetchall()


@contextmanager
def nobody_writes(table: str) -> Iterator[None]:
    """A second session holds a lock on a table, so that a load comes to a halt there."""
    with closing(connect()) as holder:
        holder.execute(f"lock table {table} in exclusive mode")
        yield


def wait_for_waiter(connection: Connection) -> int:
    """The process of a session that waits for a lock in this database."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        with connection.transaction():
            row = connection.execute(
                "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            ).fetchone()
        if row is not None:
            return int(row[0])
    raise AssertionError("nobody came to wait for the lock")


# What lands


def test_what_lands_equals_the_json_whatever_is_in_it(tmp_path: Path, connection: Connection) -> None:
    hostile = [
        "'; drop table staging.playlists; --",
        'quotes " and \\ backslashes \\" \\\\ \\n',
        "\t\r\n\b\f\x01\x1f\x7f\u0080\u2028\ufeff\uffff",
        "\U0001f600 \U0001f468‍\U0001f469‍\U0001f467 e\u0301 \u202eleft",
        '\\u0000 \\ud800 {} [] NaN : ":',
        "&amp; <b> %s %(x)s \\N \\. ,",
        " ",
        "x" * 100_000,
    ]
    unknown: Json = {
        "big": [2**63, 10**400, -(10**30)],
        "floats": [1e2, 1.5, -0.25, 1e-300, 123456789.123456789],
        "others": [None, True, False, [], {}, [[]], ""],
        **{text: text for text in hostile},
    }
    originals = [
        playlist(pid, name=text, description=text, more=unknown, tracks=[track(0, track_name=text, extra=[text])])
        for pid, text in enumerate(hostile)
    ]
    escaped = slice_of(originals)
    plain = json.dumps(
        {"info": INFO, "playlists": [original | {"pid": 100 + number} for number, original in enumerate(originals)]},
        ensure_ascii=False,
    )

    loaded(write_slice(tmp_path, 0, escaped), write_slice(tmp_path, 1000, plain.encode()))

    expected = {original["pid"]: original for original in originals}
    assert documents(connection) == expected | {
        100 + number: original | {"pid": 100 + number} for number, original in enumerate(originals)
    }


def test_the_ledger_says_what_landed_and_from_where(tmp_path: Path, connection: Connection) -> None:
    path = write_slice(tmp_path, 0, slice_of([playlist(0), playlist(1, name=""), playlist(2)]))

    outcome = only(loaded(path))

    assert (outcome.outcome, outcome.landed, outcome.rejected, outcome.bytes) == ("landed", 2, 1, path.stat().st_size)
    row = connection.execute(
        "select source, member, sha256, bytes, info, outcome, reason, playlists_landed, playlists_unchanged,"
        " playlists_superseding, playlists_rejected, started_at <= finished_at from staging.slices"
    ).fetchone()
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    assert row == (str(path.resolve()), None, sha256, len(data), INFO, "landed", None, 2, 0, 0, 1, True)
    rows = connection.execute("select pid, ordinal, superseded_at from staging.playlists order by pid").fetchall()
    assert rows == [(0, 0, None), (2, 2, None)]


@pytest.mark.parametrize("kind", ["gzip", "zip", "folder"])
def test_every_kind_of_source_lands_the_same(tmp_path: Path, connection: Connection, kind: str) -> None:
    path = {
        "gzip": lambda: write_gzip(tmp_path / "mpd.slice.0-999.json.gz", DATA),
        "zip": lambda: write_zip(tmp_path / "mpd.zip", {"data/mpd.slice.0-999.json": DATA}),
        "folder": lambda: write_slice(tmp_path / "folder" / "data", 0, DATA).parents[1],
    }[kind]()

    report = loaded(path)

    assert (report.landed, report.playlists_landed) == (1, 3)
    assert documents(connection) == {original["pid"]: original for original in json.loads(DATA)["playlists"]}


@pytest.mark.parametrize("count", [0, 18])
def test_a_slice_may_hold_any_number_of_playlists(tmp_path: Path, connection: Connection, count: int) -> None:
    outcome = only(loaded(write_slice(tmp_path, 0, slice_of(playlist(pid) for pid in range(count)))))

    assert (outcome.outcome, outcome.landed) == ("landed", count)
    assert counts(connection) == (1, count, 0)


def test_progress_hears_of_each_slice_once_it_is_committed(tmp_path: Path, connection: Connection) -> None:
    for first in range(3):
        write_slice(tmp_path, first * 1000, slice_of([playlist(first)]))
    heard = []

    report = load(
        connect,
        [tmp_path],
        progress=lambda outcome, done, total: heard.append((outcome, done, total, len(documents(connection)))),
    )

    assert heard == [(outcome, done, 3, done) for done, outcome in enumerate(report.slices, start=1)]


# What does not land


def test_a_slice_cut_at_random_lands_nothing_and_says_so(tmp_path: Path, connection: Connection) -> None:
    lengths = random.Random(7).sample(range(1, len(DATA)), 25)  # noqa: S311 - a seeded choice, not a secret
    for number, length in enumerate(lengths):
        write_slice(tmp_path, number, DATA[:length])

    report = loaded(tmp_path)

    assert report.refused == len(lengths)
    assert all("truncated" in str(outcome.detail) for outcome in report.slices)
    assert ledger_rows(connection) == [("refused", "not_json")] * len(lengths)
    assert counts(connection) == (len(lengths), 0, 0)


def test_refused_files_are_named_in_the_ledger_once_and_the_others_land(tmp_path: Path, connection: Connection) -> None:
    write_slice(tmp_path, 0, b"")
    write_slice(tmp_path, 1000, DATA)
    (tmp_path / "challenge_set.json").write_bytes(encoded({"date": "", "version": "v1", "playlists": []}))
    write_zip(tmp_path / "mpd.zip", {"inner.zip": b"PK\x03\x04", "mpd.slice.5-6.json": b"\xff"})

    first = loaded(tmp_path, tmp_path / "mpd.zip")
    before = everything(connection)
    second = loaded(tmp_path, tmp_path / "mpd.zip")

    refusals = ["challenge_set", "empty_file", None, "nested_archive", "not_utf8"]
    assert [outcome.reason for outcome in first.slices] == refusals
    assert [outcome.reason for outcome in second.slices] == refusals
    assert (first.landed, second.skipped) == (1, 1)
    assert everything(connection) == before
    assert counts(connection)[0] == 5


def test_a_file_refused_and_then_repaired_lands(tmp_path: Path, connection: Connection) -> None:
    path = write_slice(tmp_path, 0, DATA[:-10])
    loaded(path)
    path.write_bytes(DATA)

    assert only(loaded(path)).outcome == "landed"
    assert ledger_rows(connection) == [("refused", "not_json"), ("landed", None)]


def test_an_info_that_the_database_refuses_is_a_refused_slice(tmp_path: Path, connection: Connection) -> None:
    path = write_slice(tmp_path, 0, b'{"info": {"slice": 1e200000}, "playlists": []}')

    assert only(loaded(path)).reason == "refused_by_database"
    assert ledger_rows(connection) == [("refused", "refused_by_database")]


def test_a_wrong_path_stops_the_load_before_it_connects(tmp_path: Path) -> None:
    def fail(*, autocommit: bool = False) -> Connection:
        raise AssertionError

    with pytest.raises(SourceError):
        load(fail, [write_slice(tmp_path, 0, DATA), tmp_path / "missing"])


def test_rejects_keep_the_reason_and_the_exact_bytes(tmp_path: Path, connection: Connection) -> None:
    raws = [
        encoded(playlist(0)),
        b'{ "pid" : 1,\n\t"name":"\\u0000" }',
        encoded(playlist(2, num_followers=0)),
        b"[1 ,2]",
        encoded(playlist(0)),
        '{"pid": 5, "name": "ü", "x": NaN}'.encode(),
        encoded(playlist(6, more="\ud800")),
        b'{"pid": 7, "more": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        encoded(playlist(8)),
    ]

    outcome = only(loaded(write_slice(tmp_path, 0, slice_of_raw(raws))))

    assert (outcome.landed, outcome.rejected) == (2, 7)
    assert set(documents(connection)) == {0, 8}
    rejects = connection.execute("select ordinal, pid, reason, raw, source from staging.rejects order by ordinal")
    assert rejects.fetchall() == [
        (ordinal, pid, reason, raws[ordinal], str(outcome.source))
        for ordinal, pid, reason in [
            (1, 1, "null_character"),
            (2, 2, "out_of_range"),
            (3, None, "not_an_object"),
            (4, 0, "repeated_pid"),
            (5, 5, "not_a_number"),
            (6, 6, "lone_surrogate"),
            (7, 7, "too_deep"),
        ]
    ]


@pytest.mark.parametrize("held_before", [False, True])
def test_what_only_the_database_refuses_costs_no_other_playlist(
    tmp_path: Path, connection: Connection, held_before: bool
) -> None:
    raws = [encoded(playlist(pid, name="new")) for pid in range(9)]
    for ordinal in (0, 4, 5):
        raws[ordinal] = raws[ordinal][:-1] + b', "more": 1e200000}'
    if held_before:
        loaded(write_slice(tmp_path, 0, slice_of(playlist(pid) for pid in range(9))))

    outcome = only(loaded(write_slice(tmp_path, 1000, slice_of_raw(raws))))

    assert (outcome.landed, outcome.rejected, outcome.superseding) == (6, 3, 6 * held_before)
    rejects = connection.execute("select ordinal, pid, reason, raw from staging.rejects order by ordinal").fetchall()
    assert rejects == [(ordinal, ordinal, "refused_by_database", raws[ordinal]) for ordinal in (0, 4, 5)]
    assert "refused_by_database" in PLAYLIST_REASONS


def test_strict_refuses_the_slice_of_a_reject_and_lands_the_others(tmp_path: Path, connection: Connection) -> None:
    write_slice(tmp_path, 0, slice_of([playlist(0), playlist(1, name="")]))
    write_slice(tmp_path, 1000, slice_of_raw([encoded(playlist(2)), encoded(playlist(3))[:-1] + b', "x": 1e200000}']))
    write_slice(tmp_path, 2000, slice_of([playlist(4)]))

    report = loaded(tmp_path, strict=True)

    assert [outcome.outcome for outcome in report.slices] == ["refused", "refused", "landed"]
    assert "empty_name" in str(report.slices[0].detail)
    assert set(documents(connection)) == {4}
    assert counts(connection) == (3, 1, 0)
    assert ledger_rows(connection)[0] == ("refused", "rejects_under_strict")
    assert loaded(tmp_path).playlists_landed == 2


# Exactly once


def test_loading_twice_changes_nothing(tmp_path: Path, connection: Connection) -> None:
    write_slice(tmp_path, 0, DATA)
    write_slice(tmp_path, 1000, slice_of([playlist(0, name="changed"), playlist(1), playlist(9, name="")]))
    write_slice(tmp_path, 2000, b"{")
    archive = write_zip(tmp_path / "mpd.zip", {"data/mpd.slice.5000-5999.json": slice_of([playlist(5000)])})
    loaded(tmp_path, archive)
    before = everything(connection)

    again = loaded(tmp_path, archive)

    assert (again.landed, again.skipped, again.refused) == (0, 3, 1)
    assert everything(connection) == before


def test_the_same_content_under_another_name_is_skipped(tmp_path: Path, connection: Connection) -> None:
    loaded(write_slice(tmp_path, 0, DATA))
    before = everything(connection)

    report = loaded(
        write_slice(tmp_path / "copy", 3000, DATA),
        write_gzip(tmp_path / "mpd.slice.0-999.json.gz", DATA),
        write_zip(tmp_path / "mpd.zip", {"mpd.slice.0-999.json": DATA}),
    )

    assert report.skipped == 3
    assert everything(connection) == before


def test_a_file_that_landed_is_not_even_opened_again(tmp_path: Path, connection: Connection) -> None:
    path = write_slice(tmp_path, 0, DATA)
    loaded(path)

    assert only(loaded(path)).bytes == 0

    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert only(loaded(path)).bytes == len(DATA)


def test_the_same_playlist_in_another_slice_is_not_stored_again(tmp_path: Path, connection: Connection) -> None:
    loaded(write_slice(tmp_path, 0, DATA))
    reordered = [dict(reversed(playlist(pid).items())) for pid in (2, 1)]

    outcome = only(loaded(write_slice(tmp_path, 1000, slice_of([*reordered, playlist(7)]))))

    assert (outcome.landed, outcome.unchanged, outcome.superseding) == (1, 2, 0)
    rows = connection.execute("select pid, slice_id, superseded_at from staging.playlists order by pid").fetchall()
    assert [(pid, superseded) for pid, _, superseded in rows] == [(0, None), (1, None), (2, None), (7, None)]


def test_a_changed_playlist_supersedes_and_its_history_stays(tmp_path: Path, connection: Connection) -> None:
    for version in range(3):
        data = slice_of([playlist(0, num_followers=1 + version), playlist(1)])
        outcome = only(loaded(write_slice(tmp_path, version, data)))

    assert (outcome.landed, outcome.unchanged, outcome.superseding) == (1, 1, 1)
    history = connection.execute(
        "select doc -> 'num_followers', superseded_at = lead(landed_at) over (order by landed_at)"
        " from staging.playlists where pid = 0 order by landed_at"
    ).fetchall()
    assert history == [(1, True), (2, True), (3, None)]
    assert documents(connection) == {0: playlist(0, num_followers=3), 1: playlist(1)}


def test_a_playlist_changed_back_is_a_new_version(tmp_path: Path, connection: Connection) -> None:
    loaded(write_slice(tmp_path, 0, DATA), write_slice(tmp_path, 1000, slice_of([playlist(0, name="changed")])))

    outcome = only(loaded(write_slice(tmp_path, 2000, slice_of([playlist(0)]))))

    assert (outcome.landed, outcome.superseding) == (1, 1)
    assert documents(connection)[0] == playlist(0)
    assert counts(connection) == (3, 5, 0)


# When something breaks in the middle


def with_reject(name: str) -> bytes:
    """A slice whose load comes past staging.rejects, after it has written its playlists."""
    return slice_of([playlist(0, name=name), playlist(1), playlist(2, name="")])


def test_a_killed_backend_leaves_nothing_half_done_and_the_next_load_finishes(
    tmp_path: Path, connection: Connection
) -> None:
    write_slice(tmp_path, 0, slice_of([playlist(5)]))
    write_slice(tmp_path, 1000, with_reject("x"))

    with ThreadPoolExecutor(1) as pool, nobody_writes("staging.rejects"):
        killed = pool.submit(loaded, tmp_path)
        waiter = wait_for_waiter(connection)
        with connection.transaction():
            connection.execute("select pg_terminate_backend(%s)", [waiter])
        assert isinstance(killed.exception(), psycopg.OperationalError)

    assert counts(connection) == (1, 1, 0)
    assert (loaded(tmp_path).landed, counts(connection)) == (1, (2, 3, 1))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, even in tests that a shell runs in the background, where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_takes_back_the_slice_in_hand_and_keeps_the_others(tmp_path: Path, connection: Connection) -> None:
    write_slice(tmp_path, 0, slice_of([playlist(5)]))
    write_slice(tmp_path, 1000, with_reject("x"))
    write_slice(tmp_path, 2000, slice_of([playlist(6)]))

    def interrupt() -> None:
        wait_for_waiter(connection)
        os.kill(os.getpid(), signal.SIGINT)

    with ThreadPoolExecutor(1) as pool, nobody_writes("staging.rejects"):
        interrupting = pool.submit(interrupt)
        with pytest.raises(KeyboardInterrupt):
            loaded(tmp_path)
        interrupting.result()

    assert counts(connection) == (1, 1, 0)
    assert (loaded(tmp_path).landed, counts(connection)) == (2, (3, 4, 1))


def test_of_two_loaders_on_one_slice_the_second_waits_and_skips(tmp_path: Path, connection: Connection) -> None:
    path = write_slice(tmp_path, 0, DATA)
    [source] = discover([path])
    sha256 = hashlib.sha256(DATA).hexdigest()

    with ThreadPoolExecutor(1) as pool, closing(connect()) as first:
        assert ledger.claim(first, sha256)
        second = pool.submit(loaded, path)
        wait_for_waiter(connection)
        ledger.open_entry(first, source, sha256, len(DATA), encoded(INFO), 0.0)
        first.commit()
        assert only(second.result()).outcome == "skipped"

    assert counts(connection) == (1, 0, 0)


def test_of_two_loaders_on_one_playlist_the_second_starts_again_and_supersedes(
    tmp_path: Path, connection: Connection
) -> None:
    with ThreadPoolExecutor(1) as pool, closing(connect()) as first:
        [(slice_id,)] = first.execute(
            "insert into staging.slices (source, outcome, started_at, finished_at)"
            " values ('first', 'landed', now(), now()) returning slice_id"
        ).fetchall()
        first.execute(
            "insert into staging.playlists (pid, slice_id, ordinal, doc) values (0, %s, 0, '{\"pid\": 0}')", [slice_id]
        )
        second = pool.submit(loaded, write_slice(tmp_path, 0, DATA))
        wait_for_waiter(connection)
        first.commit()
        outcome = only(second.result())

    assert (outcome.landed, outcome.superseding, outcome.rejected) == (3, 1, 0)
    assert documents(connection)[0] == playlist(0)
    assert counts(connection) == (2, 4, 0)


def test_many_loaders_at_once_land_each_slice_once(tmp_path: Path, connection: Connection) -> None:
    for first in range(0, 12_000, 1000):
        write_slice(tmp_path, first, slice_of(playlist(pid, name=str(first)) for pid in range(first // 4000, 6)))

    with ThreadPoolExecutor(3) as pool:
        reports = [future.result() for future in [pool.submit(loaded, tmp_path) for _ in range(3)]]

    assert sum(report.landed for report in reports) == 12
    assert sum(report.skipped for report in reports) == 24
    landed = sum(report.playlists_landed for report in reports)
    assert landed + sum(report.playlists_unchanged for report in reports) == 4 * (6 + 5 + 4)
    assert counts(connection) == (12, landed, 0)
    assert set(documents(connection)) == set(range(6))


def test_the_log_names_refused_slices_and_rejects_as_warnings(
    tmp_path: Path, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    write_slice(tmp_path, 0, b"{")
    write_slice(tmp_path, 1000, with_reject("x"))
    write_slice(tmp_path, 2000, slice_of([playlist(5)]))

    loaded(tmp_path)

    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert ["reason=not_json" in warnings[0], "playlists_rejected=1" in warnings[1], len(warnings)] == [True, True, 2]
