"""What loading promises, on a real server."""

import hashlib
import itertools
import json
import logging
import multiprocessing
import os
import random
import signal
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from decimal import Decimal
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psycopg
import pytest
from builders import (
    INFO,
    Json,
    encoded,
    forbid,
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
from loaders import load as load_module
from loaders.copy import Landed, land, pack
from loaders.ledger import Attempt
from loaders.load import LoadReport, SliceOutcome, WorkerDied, load
from loaders.schema import PLAYLIST_REASONS, Playlist, check
from loaders.slices import discover
from warehouse.database import connect

DATA = slice_of(playlist(pid) for pid in range(3))
KINDS = ("track", "album", "artist")
DEADLINE_SECONDS = 30


Rows = list[tuple[object, ...]]


def loaded(*paths: Path, strict: bool = False, verify: bool = False, workers: int = 1) -> LoadReport:
    return load(connect, paths, strict=strict, verify=verify, workers=workers)


def only(report: LoadReport) -> SliceOutcome:
    [outcome] = report.slices
    return outcome


def exact(text: str) -> object:
    """JSON with every number as it stands, however large or small."""
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)


def documents(connection: Connection) -> dict[int, object]:
    """What was landed, parsed from its text by Python, so that no number is rounded on the way."""
    with connection.transaction():
        rows = connection.execute("select pid, doc::text from staging.playlist_documents order by pid").fetchall()
    return {pid: exact(doc) for pid, doc in rows}


def rows(connection: Connection, query: str) -> Rows:
    with connection.transaction():
        return connection.execute(query).fetchall()


def everything(connection: Connection) -> dict[str, Rows]:
    """Every row as it stands, down to its place in the file and the transaction that wrote it."""
    tables = ("slices", "playlists", "rejects")
    return {
        table: rows(connection, f"select ctid::text, xmin::text, row.* from staging.{table} as row") for table in tables
    }


def without_times(connection: Connection) -> dict[str, Rows]:
    """Every row, but for when it was written."""
    times = "{landed_at, superseded_at, rejected_at, started_at, finished_at}"
    return {
        table: rows(connection, f"select to_jsonb(row) - '{times}'::text[] from staging.{table} as row order by {key}")
        for table, key in (("slices", "slice_id"), ("playlists", "slice_id, pid"), ("rejects", "slice_id, ordinal"))
    }


def start_over(connection: Connection) -> None:
    """Empty the tables, and count from 1 again."""
    with connection.transaction():
        connection.execute(
            "truncate ops.loads, staging.slices, staging.playlists, staging.rejects restart identity cascade"
        )


def counts(connection: Connection) -> tuple[int, int, int]:
    slices, playlists, rejects = (len(rows) for rows in everything(connection).values())
    return slices, playlists, rejects


def ledger_rows(connection: Connection) -> Rows:
    return rows(connection, "select outcome, reason from staging.slices order by slice_id")


def load_rows(connection: Connection) -> list[object]:
    return [outcome for (outcome,) in rows(connection, "select outcome from ops.loads order by load_id")]


def touch(path: Path, nanoseconds: int) -> None:
    os.utime(path, ns=(nanoseconds, nanoseconds))


@contextmanager
def nobody_writes(table: str) -> Iterator[None]:
    """A second session holds a lock on a table, so that a load comes to a halt there."""
    with closing(connect()) as holder:
        holder.execute(f"lock table {table} in exclusive mode")
        yield


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what


def waiters(connection: Connection) -> list[int]:
    """The processes of sessions that wait for a lock in this database."""
    found = rows(
        connection,
        "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    )
    return [int(str(pid)) for (pid,) in found]


def wait_for_waiter(connection: Connection) -> int:
    """The process of a session that waits for a lock in this database."""
    wait_until(lambda: waiters(connection), "nobody came to wait for the lock")
    return waiters(connection)[0]


def wait_until_alone(connection: Connection) -> None:
    """Wait until the server has noticed that everybody else is gone."""
    others = "select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    wait_until(lambda: not rows(connection, others), "another session stays")


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

    expected = {original["pid"]: original for original in originals} | {
        100 + number: original | {"pid": 100 + number} for number, original in enumerate(originals)
    }
    assert documents(connection) == {pid: exact(json.dumps(original)) for pid, original in expected.items()}


LONG = "x" * 1_023 + "\U0001f600"
TEXTS = {
    "empty": "",
    "blank": " \t\u00a0\u2028",
    "length before the table of lengths ends": "x" * 1_023,
    "length where it has ended": "x" * 1_024,
    "long for its bytes and not for its characters": "\U0001f600" * 300,
    "very long": LONG * 500,
    "four bytes a character": "\U0001f600\U0010ffff\U00010000",
    "every width": "a\u00e9\u20ac\U0001f600",
    "not normalised": "e\u0301 \u00e9 \ufb01",
    "quotes": '"',
    "a quote behind backslashes": '\\"\\\\"\\\\\\"',
    "backslashes at the end": "\\\\",
    "control characters": "\x01\x08\t\n\x0b\r\x1f\x7f\u0080",
    "what arrays, rows and COPY write": '{a,"b",NULL}\\N\t\\.\n(,)',
    "what looks escaped": r"\u0000 \ud800 \u0022 \x00",
    "the ends of planes": "\ufeff\ufffe\uffff\ud7ff\ue000",
}


def as_ascii(document: Json) -> bytes:
    return json.dumps(document).encode()


def as_text(document: Json) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def with_escaped_quotes(document: Json) -> bytes:
    """Quotes and backslashes as numbers, which a look for quotes does not see."""
    return json.dumps(document).replace(r"\\", r"\u005c").replace(r"\"", r"\u0022").encode()


@pytest.mark.parametrize("encode", [as_ascii, as_text, with_escaped_quotes])
def test_any_text_in_any_place_comes_back_as_it_was(
    tmp_path: Path, connection: Connection, encode: Callable[[Json], bytes]
) -> None:
    originals = {}
    for number, text in enumerate(TEXTS.values()):
        changes = [{f"{kind}_name": text} for kind in KINDS]
        tracks = [track(0), *(track(pos, pos, **change) for pos, change in enumerate(changes, start=1)), track(4)]
        # Those with fields of their own take the other way into the database, and must not differ from the first.
        forms: list[Json] = [{}, {"collaborative": True}, {"more": text}, {f"key {text}": [text]}]
        for form, more in enumerate(forms):
            pid = 10 * number + form
            originals[pid] = playlist(pid, tracks=tracks, name=text or "x", description=text) | more

    loaded(write_slice(tmp_path, 0, slice_of_raw(map(encode, originals.values()))))

    landed = documents(connection)
    assert landed.keys() == originals.keys()
    for pid, original in originals.items():
        assert landed[pid] == exact(json.dumps(original)), list(TEXTS)[pid // 10]
    covered = rows(connection, "select pid from staging.playlists where document is null order by pid")
    assert covered == [(10 * number,) for number in range(len(TEXTS))]


NUMBERS = ["0", "-0", "-0.0", "1e2", "1E-7", "1e400", "1e-300", "9" * 5_000, "-" + "9" * 400, "0.1" + "0" * 400 + "1"]


@pytest.mark.parametrize(
    "form",
    [
        '"num_edits": 2, "more": {}',
        '"num_edits": 2, "more": {{"a": [{}, {{"b": {}}}]}}',
        '"num_edits": 2, "collaborative_": {}',
    ],
)
@pytest.mark.parametrize("place", ["playlist", "track"])
def test_numbers_in_unknown_fields_are_not_rounded(
    tmp_path: Path, connection: Connection, form: str, place: str
) -> None:
    known = '"num_edits": 2' if place == "playlist" else '"pos": 3'
    raws = [
        json.dumps(playlist(pid)).replace(known, form.replace('"num_edits": 2', known).format(number, number))
        for pid, number in enumerate(NUMBERS)
    ]

    loaded(write_slice(tmp_path, 0, slice_of_raw(raw.encode() for raw in raws)))

    assert documents(connection) == {pid: exact(raw) for pid, raw in enumerate(raws)}


def test_the_largest_and_the_smallest_numbers_come_back(tmp_path: Path, connection: Connection) -> None:
    top, small, bigint = 2**31 - 1, 0, 2**63 - 1
    largest: Json = dict.fromkeys(("num_tracks", "num_albums", "num_artists", "num_followers", "num_edits"), top)
    smallest: Json = dict.fromkeys(("num_tracks", "num_albums", "num_artists"), small)
    originals = [
        playlist(999_999, modified_at=253_402_300_799, tracks=[track(0, duration_ms=top)])
        | largest
        | {"duration_ms": bigint, "collaborative": "true"},
        playlist(0, modified_at=0, duration_ms=0, num_followers=1, num_edits=1, tracks=[track(0, duration_ms=0)])
        | smallest,
    ]
    both_ways = [*originals, *(each | {"pid": abs(int(str(each["pid"])) - 7), "x": 1} for each in originals)]

    loaded(write_slice(tmp_path, 0, slice_of(both_ways)))

    assert documents(connection) == {each["pid"]: exact(json.dumps(each)) for each in both_ways}


def test_a_key_repeated_behind_quotes_is_a_reject_and_not_lost(tmp_path: Path, connection: Connection) -> None:
    clean = json.dumps(playlist(0, name="@", description="d"))
    raws = [
        clean.replace('"@"', rf'{text}, "{key}": {value}').encode()
        for text in (r'"\""', r'"\\"', r'"\"\""', r'"\\\"\""', r'"\u0022"', r'"\u005c\u0022\""')
        for key, value in (("name", '"x"'), (r"n\u0061me", '"x"'), ("pid", "0"), ("description", r'"\""'))
    ]
    # Two quotes that only look escaped, against the two of the key.
    raws.append(clean.replace('"@"', r'"\\", "pid": 0').replace('"d"', r'"\\"').encode())

    outcome = only(loaded(write_slice(tmp_path, 0, slice_of_raw(raws))))

    assert (outcome.landed, outcome.rejected) == (0, len(raws))
    kept = rows(connection, "select reason, raw from staging.rejects order by ordinal")
    assert kept == [("duplicate_key", raw) for raw in raws]


def test_a_long_playlist_among_short_ones_lands(tmp_path: Path, connection: Connection) -> None:
    # More than a piece of what is sent at a time, and than what a row holds in its page.
    originals = [playlist(0), playlist(1, 3_000, name=LONG), playlist(2)]
    originals[1]["tracks"] = [track(pos, pos, track_name=LONG) for pos in range(3_000)]

    loaded(write_slice(tmp_path, 0, slice_of(originals)))

    assert documents(connection) == {original["pid"]: exact(json.dumps(original)) for original in originals}


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
    assert rows(connection, "select pid, ordinal, superseded_at from staging.playlists order by pid") == [
        (0, 0, None),
        (2, 2, None),
    ]
    assert rows(connection, "select slice_id, load_id from staging.slices") == [(1, 1)]


def test_the_columns_hold_the_fields_and_the_arrays_the_tracks(tmp_path: Path, connection: Connection) -> None:
    tracks = [track(0, 3, track_name="a"), track(1, 4, track_name="b", duration_ms=0), track(2, 3, track_name="c")]
    numbers = {"num_tracks": 3, "num_albums": 4, "num_artists": 5, "num_followers": 6, "num_edits": 7}
    original = playlist(9, name="n", description="d", collaborative="true", tracks=tracks, duration_ms=8) | numbers

    loaded(write_slice(tmp_path, 0, slice_of([playlist(1), original, playlist(2, collaborative=True)])))

    ids = [[str(each[f"{kind}_uri"]).removeprefix(f"spotify:{kind}:") for each in tracks] for kind in KINDS]
    names = [[each[f"{kind}_name"] for each in tracks] for kind in KINDS]
    assert rows(
        connection,
        "select ordinal, collaborative, modified_at, num_tracks, num_albums, num_artists, num_followers, num_edits,"
        " duration_ms, name, description, track_ids, album_ids, artist_ids, track_names, album_names, artist_names,"
        " track_durations_ms, document from staging.playlists where pid = 9",
    ) == [(1, True, 1_493_424_000, 3, 4, 5, 6, 7, 8, "n", "d", *ids, *names, [200_003, 0, 200_003], None)]
    described = "select pid, description, collaborative, document is null from staging.playlists order by pid"
    assert rows(connection, described) == [(1, None, False, True), (2, None, True, False), (9, "d", True, True)]


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


def test_progress_of_workers_hears_of_each_slice_once_it_is_committed(tmp_path: Path, connection: Connection) -> None:
    loaded(write_slice(tmp_path, 0, slice_of([playlist(0)])))
    for first in range(1, 5):
        write_slice(tmp_path, first * 1000, slice_of([playlist(first)]) if first != 3 else b"")
    heard = []

    def hear(outcome: SliceOutcome, done: int, total: int) -> None:
        heard.append((outcome, done, total))
        if outcome.outcome == "landed":
            found = rows(connection, f"select outcome from staging.slices where source = '{outcome.source}'")
            assert found == [("landed",)]

    report = load(connect, [tmp_path], workers=2, progress=hear)

    assert [(done, total) for _, done, total in heard] == [(done, 5) for done in range(1, 6)]
    assert sorted((outcome for outcome, _, _ in heard), key=lambda outcome: str(outcome.source)) == list(report.slices)
    assert [outcome.outcome for outcome in report.slices] == ["skipped", "landed", "landed", "refused", "landed"]


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
    (tmp_path / "README.md").write_bytes(b"# About")
    (tmp_path / "challenge_set.json").write_bytes(encoded({"date": "", "version": "v1", "playlists": []}))
    (tmp_path / "stats.json").write_bytes(b'{"playlists": 1000}')
    write_zip(tmp_path / "mpd.zip", {"inner.zip": b"PK\x03\x04", "mpd.slice.5-6.json": b"\xff"})

    first = loaded(tmp_path, tmp_path / "mpd.zip")
    before = everything(connection)
    second = loaded(tmp_path, tmp_path / "mpd.zip")

    refusals = ["challenge_set", "wrong_shape", "empty_file", None, "nested_archive", "not_utf8"]
    assert [outcome.reason for outcome in first.slices] == refusals
    assert [outcome.reason for outcome in second.slices] == refusals
    assert (first.landed, second.skipped) == (1, 1)
    assert everything(connection) == before
    assert counts(connection)[0] == 6


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_earlier_member_of_the_same_name_is_refused_and_the_last_one_lands_once(
    tmp_path: Path, connection: Connection
) -> None:
    path = tmp_path / "mpd.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for pid in range(2):
            archive.writestr("part.json", slice_of([playlist(pid)]))

    first = loaded(path)
    before = everything(connection)
    second = loaded(path, strict=True)

    refused = (f"{path}!part.json#1", "refused", "repeated_member")
    assert [(str(one.source), one.outcome, one.reason) for one in (*first.slices, *second.slices)] == [
        refused,
        (f"{path}!part.json", "landed", None),
        refused,
        (f"{path}!part.json", "skipped", None),
    ]
    assert set(documents(connection)) == {1}
    assert everything(connection) == before


@pytest.mark.parametrize("place", ["info", "playlist", "beside", "track"])
def test_a_slice_with_bytes_that_are_not_text_is_refused_as_a_whole(
    tmp_path: Path, connection: Connection, place: str
) -> None:
    old = {"info": b"v1", "playlist": b"Playlist 1", "beside": b'"playlists"', "track": b"Album 2"}[place]
    new = b'"more": "\xff", "playlists"' if place == "beside" else old + b"\xff"
    path = write_slice(tmp_path, 0, DATA.replace(old, new, 1))
    other = write_slice(tmp_path, 1000, slice_of([playlist(7)]))

    outcome, _ = loaded(path, other).slices

    assert (outcome.outcome, outcome.reason) == ("refused", "not_utf8")
    assert ledger_rows(connection) == [("refused", "not_utf8"), ("landed", None)]
    assert set(documents(connection)) == {7}
    assert counts(connection) == (2, 1, 0)


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


def test_every_path_that_cannot_be_loaded_is_in_the_ledger_and_the_others_land(
    tmp_path: Path, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, forbidden, forbidden_file = tmp_path / "empty", tmp_path / "forbidden", tmp_path / "forbidden.bin"
    folder.mkdir()
    write_slice(forbidden, 3000, DATA)
    forbidden_file.write_bytes(DATA)
    (tmp_path / "circle").symlink_to("circle")
    reasons: dict[Path, str | None] = {
        write_slice(tmp_path, 0, slice_of([playlist(0)])): None,
        tmp_path / "missing": "absent",
        tmp_path / "circle": "absent",
        forbidden: "unreadable",
        forbidden_file: "unreadable",
        folder: "no_slices",
        write_zip(tmp_path / "empty.zip", {"notes.txt": b""}): "no_slices",
        write_zip(tmp_path / "cut.zip", {"mpd.slice.0-999.json": DATA}): "corrupt_archive",
        write_slice(tmp_path, 1000, slice_of([playlist(1)])): None,
    }
    (tmp_path / "cut.zip").write_bytes((tmp_path / "cut.zip").read_bytes()[:-40])
    forbid(monkeypatch, forbidden, forbidden_file)

    report = loaded(*reasons)
    before = everything(connection)
    again = loaded(*reasons)

    assert {outcome.source.path: outcome.reason for outcome in report.slices} == reasons
    assert [fate(outcome)[:2] for outcome in again.slices] == [
        (str(path), "refused" if reason else "skipped") for path, reason in reasons.items()
    ]
    assert (report.landed, report.refused, again.skipped, again.refused) == (2, 7, 2, 7)
    assert rows(
        connection, "select source, member, fingerprint is null, reason from staging.slices order by slice_id"
    ) == [(str(path), None, reason is not None, reason) for path, reason in reasons.items()]
    assert all(detail for (detail,) in rows(connection, "select detail from staging.slices where reason is not null"))
    # What was refused for the same reason is not news.
    assert everything(connection) == before
    assert load_rows(connection) == ["refused_some"] * 2


def test_a_path_that_came_to_be_lands(tmp_path: Path, connection: Connection) -> None:
    path = tmp_path / "mpd.slice.0-999.json"

    assert only(loaded(path)).reason == "absent"
    path.write_bytes(DATA)
    assert only(loaded(path)).outcome == "landed"
    path.unlink()
    assert only(loaded(path)).reason == "absent"
    assert ledger_rows(connection) == [("refused", "absent"), ("landed", None), ("refused", "absent")]
    assert set(documents(connection)) == {0, 1, 2}


@pytest.mark.parametrize("name", [" a  b ", "line\nbreak\r\n", "tab\t'quotes'\"\\", "%s %(x)s {}", "\U0001f600", "-x"])
def test_a_path_of_any_characters_lands_and_is_named_as_it_is(
    tmp_path: Path, connection: Connection, name: str
) -> None:
    folder = tmp_path / name
    path = write_slice(folder, 0, DATA)
    archive = write_zip(folder / f"{name}.zip", {f"{name}/mpd.slice.5-9.json": slice_of([playlist(5)])})

    report = loaded(path, archive, folder / "missing\n")

    assert [outcome.outcome for outcome in report.slices] == ["landed", "landed", "refused"]
    assert rows(connection, "select source, member from staging.slices order by slice_id") == [
        (str(path), None),
        (str(archive), f"{name}/mpd.slice.5-9.json"),
        (str(folder / "missing\n"), None),
    ]
    assert rows(connection, "select paths from ops.loads") == [([str(path), str(archive), f"{folder}/missing\n"],)]
    assert loaded(folder, archive).skipped == 2


def test_a_path_that_is_not_utf8_lands_and_is_skipped_the_next_time(tmp_path: Path, connection: Connection) -> None:
    folder = tmp_path / os.fsdecode(b"\xff")
    write_slice(folder, 0, DATA)

    assert (loaded(folder).landed, loaded(folder).skipped) == (1, 1)
    assert rows(connection, "select distinct paths from ops.loads") == [([f"{tmp_path}/\\xff"],)]


def test_one_damaged_member_costs_no_other_of_its_archive(tmp_path: Path, connection: Connection) -> None:
    members = {f"mpd.slice.{pid}000-{pid}999.json": slice_of([playlist(pid)]) for pid in range(3)}
    path = write_zip(tmp_path / "mpd.zip", members, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"Playlist 1", b"Playlist 2"))

    report = loaded(path)

    assert [outcome.reason for outcome in report.slices] == [None, "corrupt_archive", None]
    assert set(documents(connection)) == {0, 2}


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


@pytest.mark.parametrize("workers", [1, 2])
def test_strict_does_not_pass_over_what_landed_with_rejects(
    tmp_path: Path, connection: Connection, workers: int
) -> None:
    path = write_slice(tmp_path, 0, slice_of([playlist(0), playlist(1, name="")]))
    sound = write_slice(tmp_path, 1000, slice_of([playlist(2)]))
    loaded(tmp_path)
    before = documents(connection)
    copy = write_slice(tmp_path / "copy", 0, path.read_bytes())

    report = loaded(path, sound, copy, strict=True, workers=workers)

    assert [(outcome.outcome, outcome.reason) for outcome in report.slices] == [
        ("refused", "rejects_under_strict"),
        ("skipped", None),
        ("refused", "rejects_under_strict"),
    ]
    assert "rejects still: 1" in str(report.slices[0].detail)
    assert documents(connection) == before
    # Without, it is passed over as before, and once the playlist is there, strictly too.
    assert loaded(path).skipped == 1
    loaded(write_slice(tmp_path / "other", 0, slice_of([playlist(1)])))
    assert loaded(path, sound, copy, strict=True).skipped == 3
    assert open_rejects(connection) == []


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


def test_the_same_content_under_another_name_is_recorded_and_nothing_is_stored(
    tmp_path: Path, connection: Connection
) -> None:
    loaded(write_slice(tmp_path, 0, DATA))
    before = rows(connection, "select ctid::text, pid, slice_id from staging.playlists")
    copies = (
        write_slice(tmp_path / "copy", 3000, DATA),
        write_gzip(tmp_path / "mpd.slice.0-999.json.gz", DATA),
        write_zip(tmp_path / "mpd.zip", {"mpd.slice.0-999.json": DATA}),
    )

    report = loaded(*copies)

    assert (report.skipped, report.playlists_landed, report.playlists_unchanged) == (3, 0, 0)
    assert rows(connection, "select source, outcome, duplicate_of from staging.slices order by slice_id")[1:] == [
        (str(copy), "duplicate", 1) for copy in copies
    ]
    assert rows(connection, "select ctid::text, pid, slice_id from staging.playlists") == before
    assert all(outcome.bytes == 0 for outcome in loaded(*copies).slices)


def test_a_copy_of_what_is_no_longer_current_lands_again(tmp_path: Path, connection: Connection) -> None:
    loaded(write_slice(tmp_path, 0, DATA), write_slice(tmp_path, 1000, slice_of([playlist(0, name="changed")])))

    outcome = only(loaded(write_slice(tmp_path / "copy", 0, DATA)))

    assert (outcome.outcome, outcome.landed, outcome.unchanged, outcome.superseding) == ("landed", 1, 2, 1)
    assert documents(connection) == {pid: playlist(pid) for pid in range(3)}


def test_a_file_that_landed_is_not_even_opened_again(tmp_path: Path, connection: Connection) -> None:
    path = write_slice(tmp_path, 0, DATA)
    loaded(path)

    assert only(loaded(path)).bytes == 0


def test_a_file_that_was_touched_is_read_once_more_and_stored_no_more(tmp_path: Path, connection: Connection) -> None:
    path = write_slice(tmp_path, 0, DATA)
    loaded(path)

    for time_of_day in (1, 2):
        touch(path, time_of_day)
        outcome = only(loaded(path))
        assert (outcome.outcome, outcome.bytes, outcome.landed) == ("skipped", len(DATA), 0)
        assert only(loaded(path)).bytes == 0

    assert [outcome for outcome, _ in ledger_rows(connection)] == ["landed", "duplicate", "duplicate"]
    assert counts(connection) == (3, 3, 0)


def test_verify_reads_what_looks_the_same_and_lands_what_is_not(tmp_path: Path, connection: Connection) -> None:
    path = write_slice(tmp_path, 0, DATA)
    other = write_slice(tmp_path, 1000, slice_of([playlist(9)]))
    touch(path, 1)
    loaded(path, other)
    path.write_bytes(DATA.replace(b"Playlist 1", b"Playlist X"))
    touch(path, 1)

    assert [outcome.bytes for outcome in loaded(path, other).slices] == [0, 0]
    changed, same = loaded(path, other, verify=True).slices

    assert (changed.outcome, changed.landed, changed.unchanged, changed.superseding) == ("landed", 1, 2, 1)
    assert (same.outcome, same.bytes) == ("skipped", other.stat().st_size)
    assert documents(connection)[1] == playlist(1, name="Playlist X")
    before = everything(connection)
    assert [outcome.outcome for outcome in loaded(path, other, verify=True).slices] == ["skipped"] * 2
    assert everything(connection) == before


@pytest.mark.parametrize("kind", ["file", "file of the old time", "archive"])
def test_an_older_version_of_a_file_is_current_again_once_it_is_loaded_again(
    tmp_path: Path, connection: Connection, kind: str
) -> None:
    versions = [slice_of([playlist(0, name=name), playlist(1)]) for name in ("a", "b")]

    for version, seconds in ((0, 10), (1, 20), (0, 10 if "old" in kind else 30), (1, 20 if "old" in kind else 40)):
        if kind == "archive":
            # What is known of a member, its size and checksum, is the same when its content is.
            path = write_zip(tmp_path / "mpd.zip", {"mpd.slice.0-999.json": versions[version]})
        else:
            path = write_slice(tmp_path, 0, versions[version])
            touch(path, seconds)
        outcome = only(loaded(path))
        assert (outcome.outcome, outcome.landed) == ("landed", 1 if connection_has_history(connection) else 2)
        assert documents(connection)[0] == playlist(0, name="ab"[version])
        assert only(loaded(path)).bytes == 0

    assert [outcome for outcome, _ in ledger_rows(connection)] == ["landed"] * 4
    assert counts(connection) == (4, 5, 0)


def connection_has_history(connection: Connection) -> bool:
    return bool(rows(connection, "select from staging.playlists where superseded_at is not null"))


@pytest.mark.parametrize("kind", ["file", "file of the old time", "archive"])
def test_a_file_restored_after_a_refusal_is_on_record_and_so_are_its_rejects(
    tmp_path: Path, connection: Connection, kind: str
) -> None:
    whole = slice_of([playlist(0), playlist(1, name=""), playlist(2)])

    def put(data: bytes, seconds: int) -> Path:
        if kind == "archive":
            return write_zip(tmp_path / "mpd.zip", {"mpd.slice.0-999.json": data})
        path = write_slice(tmp_path, 0, data)
        touch(path, seconds)
        return path

    def state() -> list[object]:
        [latest] = rows(connection, "select outcome from staging.slices order by slice_id desc limit 1")
        return [*latest, len(rows(connection, "select from staging.open_rejects"))]

    assert only(loaded(put(whole, 10))).outcome == "landed"
    assert state() == ["landed", 1]
    assert only(loaded(put(whole[:-9], 20))).outcome == "refused"
    # Nothing has made up for the playlist.
    assert state() == ["refused", 1]
    assert only(loaded(put(whole, 10 if "old" in kind else 30))).outcome == "skipped"
    assert state() == ["duplicate", 1]
    assert only(loaded(put(whole, 10 if "old" in kind else 30))).bytes == 0
    assert counts(connection) == (3, 2, 1)


@pytest.mark.parametrize("reason", ["absent", "unreadable"])
def test_a_file_that_could_not_be_had_for_a_while_is_no_newer_than_it_was(
    tmp_path: Path, connection: Connection, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    older = write_slice(tmp_path, 0, slice_of([playlist(0, name="older"), playlist(1)]))
    newer = write_slice(tmp_path, 1000, slice_of([playlist(0, name="newer")]))
    loaded(older, newer)
    with monkeypatch.context() as patch:
        if reason == "absent":
            older.rename(tmp_path / "away")
        else:
            forbid(patch, older)
        assert only(loaded(older, verify=True)).reason == reason
    if reason == "absent":
        (tmp_path / "away").rename(older)

    assert loaded(older, newer).skipped == 2

    assert documents(connection)[0] == playlist(0, name="newer")
    assert ledger_rows(connection)[-1] == ("duplicate", None)
    assert loaded(older, newer).bytes == 0


@pytest.mark.parametrize("kind", ["archive", "folder"])
def test_what_was_refused_as_a_whole_and_is_restored_has_a_row_that_says_so(
    tmp_path: Path, connection: Connection, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    slices = {f"mpd.slice.{first}-{first + 999}.json": slice_of([playlist(first)]) for first in (0, 1000, 2000)}
    path = tmp_path / "mpd"
    if kind == "archive":
        whole = write_zip(path, slices).read_bytes()
    else:
        for first, data in enumerate(slices.values()):
            write_slice(path, 1000 * first, data)
    loaded(path)
    with monkeypatch.context() as patch:
        if kind == "archive":
            path.write_bytes(whole[:-9])
        else:
            forbid(patch, path)
        assert only(loaded(path)).outcome == "refused"
    if kind == "archive":
        path.write_bytes(whole)

    for _ in range(2):
        report = loaded(path)
        assert (report.skipped, report.bytes) == (3, 0)

    assert [outcome for outcome, _ in ledger_rows(connection)] == ["landed"] * 3 + ["refused", "duplicate"]
    assert rows(connection, "select duplicate_of from staging.slices where outcome = 'duplicate'") == [(1,)]
    assert counts(connection) == (5, 3, 0)


def test_a_path_that_is_gone_for_a_while_closes_no_reject(tmp_path: Path, connection: Connection) -> None:
    path = write_slice(tmp_path / "mounted", 0, slice_of([playlist(0, name=""), playlist(1)]))
    loaded(path)

    (tmp_path / "mounted").rename(tmp_path / "unmounted")

    assert only(loaded(path)).reason == "absent"
    assert open_rejects(connection) == [(1, 0)]


def open_rejects(connection: Connection) -> Rows:
    return rows(connection, "select slice_id, ordinal from staging.open_rejects order by slice_id, ordinal")


def test_a_reject_is_open_until_its_file_or_its_playlist_lands_in_order(tmp_path: Path, connection: Connection) -> None:
    both = slice_of([playlist(0, name=""), playlist(1, name=""), playlist(2)])
    path = write_slice(tmp_path, 0, both)
    loaded(path)
    assert open_rejects(connection) == [(1, 0), (1, 1)]

    loaded(write_slice(tmp_path, 1000, slice_of([playlist(1)])))
    assert open_rejects(connection) == [(1, 0)]

    path.write_bytes(slice_of([playlist(0), playlist(1, name="y"), playlist(2)]))
    loaded(path)
    assert open_rejects(connection) == []
    assert counts(connection)[2] == 2


def test_another_copy_of_a_slice_makes_up_for_none_of_its_rejects(tmp_path: Path, connection: Connection) -> None:
    # The pid of one of them landed, from elsewhere in the same slice.
    data = slice_of([playlist(0), playlist(0, name="another"), playlist(1, name="")])
    path = write_slice(tmp_path, 0, data)
    loaded(path)
    assert open_rejects(connection) == [(1, 1), (1, 2)]

    touch(path, 1)
    loaded(path)
    assert open_rejects(connection) == [(1, 1), (1, 2)]

    loaded(write_slice(tmp_path / "copy", 0, data))
    assert open_rejects(connection) == [(1, 1), (1, 2)]


def test_the_same_playlist_in_another_slice_is_not_stored_again(tmp_path: Path, connection: Connection) -> None:
    loaded(write_slice(tmp_path, 0, DATA))
    reordered = [dict(reversed(playlist(pid).items())) for pid in (2, 1)]

    outcome = only(loaded(write_slice(tmp_path, 1000, slice_of([*reordered, playlist(7)]))))

    assert (outcome.landed, outcome.unchanged, outcome.superseding) == (1, 2, 0)
    held = "select pid, slice_id, superseded_at from staging.playlists order by pid"
    assert rows(connection, held) == [(0, 1, None), (1, 1, None), (2, 1, None), (7, 2, None)]


def test_a_changed_playlist_supersedes_and_its_history_stays(tmp_path: Path, connection: Connection) -> None:
    for version in range(3):
        data = slice_of([playlist(0, num_followers=1 + version), playlist(1)])
        outcome = only(loaded(write_slice(tmp_path, version, data)))

    assert (outcome.landed, outcome.unchanged, outcome.superseding) == (1, 1, 1)
    history = connection.execute(
        "select num_followers, superseded_at = lead(landed_at) over (order by landed_at)"
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


CHANGES: list[Json] = [
    {"name": "changed"},
    {"description": "new"},
    {"description": ""},
    {"collaborative": "true"},
    {"collaborative": False},
    {"more": None},
    *({field: 3} for field in ("num_tracks", "num_albums", "num_artists", "num_followers", "num_edits")),
    {"modified_at": 3},
    {"duration_ms": 3},
    {"tracks": [track(0)]},
    {"tracks": [track(0), track(1, 2)]},
    {"tracks": [track(0), track(1, duration_ms=1)]},
    {"tracks": [track(0), track(1, x=1)]},
    *({"tracks": [track(0), track(1) | {f"{kind}_name": "other"}]} for kind in KINDS),
    *({"tracks": [track(0), track(1) | {f"{kind}_uri": f"spotify:{kind}:{7:022d}"}]} for kind in KINDS),
]


def test_a_change_of_anything_is_a_new_version_and_going_back_another(tmp_path: Path, connection: Connection) -> None:
    before = [playlist(pid, tracks=[track(0), track(1)]) for pid in range(len(CHANGES))]
    after = [original | change for original, change in zip(before, CHANGES, strict=True)]

    # A neighbour tells the first and the last slice apart, so that the last is no copy.
    for number, version in enumerate([before, after, before]):
        outcome = only(loaded(write_slice(tmp_path, number, slice_of([*version, playlist(1_000 + number)]))))
        assert documents(connection) == {
            **dict(enumerate(version)),
            **{pid: playlist(pid) for pid in range(1_000, 1_001 + number)},
        }
        assert (outcome.landed, outcome.unchanged) == (len(CHANGES) + 1, 0)
        assert outcome.superseding == (len(CHANGES) if number else 0)


# The order of versions


VERSIONS = ["123456", "121212", "112211", "122222", "111112", "654321"]


@pytest.mark.parametrize("workers", [1, 3])
def test_of_several_versions_the_last_in_order_is_current_and_all_stay(
    tmp_path: Path, connection: Connection, workers: int
) -> None:
    for number, versions in enumerate(zip(*VERSIONS, strict=True)):
        # The earlier a slice, the longer it takes to read.
        padding = [playlist(100 * number + pid) for pid in range(10, 100 - 15 * number)]
        slices = [*padding, *(playlist(pid, name=version) for pid, version in enumerate(versions))]
        write_slice(tmp_path, number * 1000, slice_of(slices))

    assert loaded(tmp_path, workers=workers).landed == len(VERSIONS)

    history: dict[int, str] = {}
    for pid, name in rows(connection, "select pid, name from staging.playlists where pid < 6 order by slice_id, pid"):
        history[pid] = history.get(pid, "") + name
    assert history == {
        pid: "".join(version for version, _ in itertools.groupby(versions)) for pid, versions in enumerate(VERSIONS)
    }
    assert [documents(connection)[pid] for pid in range(len(VERSIONS))] == [
        playlist(pid, name=versions[-1]) for pid, versions in enumerate(VERSIONS)
    ]


@pytest.fixture(scope="module")
def folder_of_everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slices of every fate, and none with a playlist of another."""
    folder = tmp_path_factory.mktemp("everything")
    for first in range(0, 9_000, 1_000):
        playlists = [playlist(pid) for pid in range(first, first + 8)]
        playlists[2]["name"] = ""
        playlists[3]["more"] = first
        playlists[4]["pid"] = first
        write_slice(folder, first, slice_of(playlists))
    write_slice(folder, 2_000, DATA[:-9])
    write_slice(folder, 4_000, b'{"info": {"slice": 1e200000}, "playlists": []}')
    write_slice(folder, 6_000, slice_of_raw([encoded(playlist(6_000))[:-1] + b', "x": 1e200000}', b"{}", b"NaN"]))
    write_zip(folder / "mpd.zip", {f"mpd.slice.{n}-{n}.json": slice_of([playlist(n)]) for n in (50_000, 60_000)})
    return folder


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("workers", [2, 3])
def test_workers_leave_row_for_row_what_one_alone_would(
    folder_of_everything: Path, connection: Connection, workers: int, strict: bool
) -> None:
    paths = [folder_of_everything, folder_of_everything / "mpd.zip", folder_of_everything / "missing"]
    alone = loaded(*paths, strict=strict)
    expected = without_times(connection), documents(connection)
    [totals] = rows(connection, f"select {', '.join(ledger.COUNTS)}, outcome from ops.loads")
    start_over(connection)

    together = loaded(*paths, strict=strict, workers=workers)

    assert (without_times(connection), documents(connection)) == expected
    assert rows(connection, f"select {', '.join(ledger.COUNTS)}, outcome from ops.loads") == [totals]
    assert [fate(outcome) for outcome in together.slices] == [fate(outcome) for outcome in alone.slices]
    assert {outcome.outcome for outcome in alone.slices} == {"landed", "refused"}


def fate(outcome: SliceOutcome) -> tuple[object, ...]:
    counts = (outcome.landed, outcome.unchanged, outcome.superseding, outcome.rejected)
    return str(outcome.source), outcome.outcome, outcome.bytes, *counts, outcome.reason


def test_workers_that_meet_on_the_same_playlists_leave_the_versions_that_one_alone_would(
    tmp_path: Path, connection: Connection
) -> None:
    for number in range(12):
        # In turns forwards and backwards, so that two of them lock in another order.
        playlists = [playlist(pid, name=str((number * pid) % 5)) for pid in range(40)][:: -1 if number % 2 else 1]
        write_slice(tmp_path, number * 1000, slice_of([*playlists, playlist(100 + number % 3)]))
    current = "select pid, name, slice_id from staging.playlists where superseded_at is null order by pid"
    loaded(tmp_path)
    expected = documents(connection), rows(connection, current)
    start_over(connection)

    report = loaded(tmp_path, workers=3)

    assert (report.landed, report.refused) == (12, 0)
    assert (documents(connection), rows(connection, current)) == expected


# The record of loads


def test_a_load_is_on_record_with_who_what_and_how_much(tmp_path: Path, connection: Connection) -> None:
    data = slice_of([playlist(0), playlist(1), playlist(2, name="")])
    again = slice_of([playlist(0), playlist(1, name="changed"), playlist(9)])
    paths = [write_slice(tmp_path, 0, data), write_slice(tmp_path, 1000, again), write_slice(tmp_path, 2000, b"{")]
    load(connect, paths[:1])

    load(connect, paths, strict=False, verify=False, workers=2, command="watch")

    assert rows(
        connection,
        "select load_id, command, paths, options, database_user = session_user, system_user_name <> '', host <> '',"
        " started_at <= finished_at, outcome, error from ops.loads order by load_id",
    ) == [
        (number, command, [str(path) for path in named], options, True, True, True, True, "refused_some", None)
        for number, command, named, options in [
            (1, "load", paths[:1], {"strict": False, "verify": False, "workers": 1}),
            (2, "watch", paths, {"strict": False, "verify": False, "workers": 2}),
        ]
    ]
    assert rows(connection, f"select {', '.join(ledger.COUNTS)} from ops.loads order by load_id") == [
        (1, 0, 0, 2, 0, 0, 1, len(data)),
        (1, 1, 1, 2, 1, 1, 0, len(again) + 1),
    ]
    assert rows(connection, "select load_id from staging.slices order by slice_id") == [(1,), (2,), (2,)]


def test_a_load_that_refuses_nothing_succeeded(tmp_path: Path, connection: Connection) -> None:
    path = write_slice(tmp_path, 0, DATA)

    assert loaded(path).is_clean
    assert loaded(path).is_clean
    assert load_rows(connection) == ["succeeded", "succeeded"]


def test_a_load_that_fails_says_of_what(tmp_path: Path, connection: Connection) -> None:
    def fail(*_: object) -> None:
        raise ValueError("the disk is full")

    with pytest.raises(ValueError, match="the disk is full"):
        load(connect, [write_slice(tmp_path, 0, DATA)], progress=fail)

    assert rows(connection, "select outcome, error, finished_at is not null from ops.loads") == [
        ("failed", "the disk is full", True)
    ]
    assert counts(connection) == (1, 3, 0)


def test_a_load_that_fails_midway_says_how_much_it_landed(tmp_path: Path, connection: Connection) -> None:
    landed = slice_of([playlist(0), playlist(1, name="")])
    paths = [write_slice(tmp_path, 0, landed), write_slice(tmp_path, 1000, b"{"), write_slice(tmp_path, 2000, DATA)]

    def fail(outcome: SliceOutcome, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(connect, paths, progress=fail)

    # How many it would have passed over, nobody knows.
    assert rows(connection, f"select outcome, {', '.join(ledger.COUNTS)} from ops.loads") == [
        ("interrupted", 1, None, 1, 1, 0, 0, 1, len(landed) + 1)
    ]


def test_a_load_whose_session_lives_is_running_and_then_cut_short(tmp_path: Path, connection: Connection) -> None:
    path = write_slice(tmp_path, 0, DATA)
    with closing(connect(autocommit=True)) as other:
        entry = ledger.load_entry(other, "load", ["elsewhere"], {})
        entry.__enter__()
        loaded(path)
        assert load_rows(connection) == ["running", "succeeded"]
    wait_until_alone(connection)

    loaded(path)

    assert load_rows(connection) == ["cut_short", "succeeded", "succeeded"]
    assert rows(connection, "select finished_at is not null, error from ops.loads where load_id = 1") == [(True, None)]


# When something breaks in the middle


def with_reject(name: str, first: int = 0) -> bytes:
    """A slice whose load comes past staging.rejects, after it has written its playlists."""
    return slice_of([playlist(first, name=name), playlist(first + 1), playlist(first + 2, name="")])


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
    # Nothing could be written of the first, for want of a connection.
    assert load_rows(connection) == ["cut_short", "refused_some"]


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
    assert load_rows(connection) == ["interrupted"]
    assert (loaded(tmp_path).landed, counts(connection)) == (2, (3, 4, 1))


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_the_workers_and_takes_back_what_they_had_in_hand(
    tmp_path: Path, connection: Connection
) -> None:
    for number in range(4):
        write_slice(tmp_path, number * 1000, with_reject(str(number), first=number * 10))

    def interrupt() -> None:
        wait_until(lambda: len(waiters(connection)) == 1, "no worker came to the lock")
        os.kill(os.getpid(), signal.SIGINT)

    with ThreadPoolExecutor(1) as pool, nobody_writes("staging.rejects"):
        interrupting = pool.submit(interrupt)
        with pytest.raises(KeyboardInterrupt):
            loaded(tmp_path, workers=2)
        interrupting.result()

    wait_until_alone(connection)
    assert counts(connection) == (0, 0, 0)
    assert load_rows(connection) == ["interrupted"]
    assert (loaded(tmp_path, workers=2).landed, counts(connection)) == (4, (4, 8, 4))


def test_a_worker_that_is_killed_is_told_and_the_next_load_finishes(tmp_path: Path, connection: Connection) -> None:
    for number in range(4):
        write_slice(tmp_path, number * 1000, with_reject(str(number), first=number * 10))

    with ThreadPoolExecutor(1) as pool, nobody_writes("staging.rejects"):
        killed = pool.submit(loaded, tmp_path, workers=2)
        wait_until(lambda: len(waiters(connection)) == 1, "no worker came to the lock")
        multiprocessing.active_children()[0].kill()
        assert isinstance(killed.exception(), WorkerDied)

    assert "exit code -9" in str(killed.exception())
    wait_until_alone(connection)
    assert counts(connection) == (0, 0, 0)
    assert rows(connection, "select outcome, error from ops.loads") == [("failed", str(killed.exception()))]
    assert not multiprocessing.active_children()
    assert (loaded(tmp_path, workers=2).landed, counts(connection)) == (4, (4, 8, 4))


@pytest.mark.parametrize("moment", ["before it has work", "with work that it has not seen"])
def test_a_worker_that_is_killed_at_once_is_told_too(
    tmp_path: Path, connection: Connection, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    for number in range(3):
        write_slice(tmp_path, number * 1000, slice_of([playlist(number)]))
    start = load_module._start_worker

    def start_and_kill(*args: object) -> tuple[Pipe, BaseProcess]:
        pipe, process = start(*args)
        send = pipe.send

        def kill() -> None:
            process.kill()
            process.join()

        def send_and_kill(task: object) -> None:
            os.kill(int(process.pid or 0), signal.SIGSTOP)
            send(task)
            kill()

        if moment == "before it has work":
            kill()
        else:
            pipe.send = send_and_kill
        return pipe, process

    monkeypatch.setattr(load_module, "_start_worker", start_and_kill)

    with pytest.raises(WorkerDied, match="exit code -9"):
        loaded(tmp_path, workers=2)

    assert load_rows(connection) == ["failed"]
    monkeypatch.undo()


def test_a_single_slice_may_cost_a_process_and_not_the_command(tmp_path: Path, connection: Connection) -> None:
    path = write_slice(tmp_path, 0, DATA)

    def kill() -> None:
        waiter = wait_for_waiter(connection)
        for worker in multiprocessing.active_children():
            worker.kill()
        rows(connection, f"select pg_terminate_backend({waiter})")

    with ThreadPoolExecutor(1) as pool, nobody_writes("staging.playlists"):
        killing = pool.submit(kill)
        with pytest.raises(WorkerDied, match="exit code -9") as died:
            loaded(path, workers=2)
        killing.result()

    assert died.value.source.path == path


def test_an_error_in_a_worker_is_raised_as_it_would_be_without(tmp_path: Path, connection: Connection) -> None:
    for number in range(4):
        write_slice(tmp_path, number * 1000, with_reject(str(number), first=number * 10))

    with ThreadPoolExecutor(1) as pool, nobody_writes("staging.rejects"):
        failed = pool.submit(loaded, tmp_path, workers=2)
        waiter = wait_for_waiter(connection)
        rows(connection, f"select pg_terminate_backend({waiter})")
        assert isinstance(failed.exception(), psycopg.OperationalError)

    wait_until_alone(connection)
    assert load_rows(connection) == ["failed"]
    assert (loaded(tmp_path).landed, counts(connection)) == (4, (4, 8, 4))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_load_that_is_killed_leaves_nobody_behind_and_the_next_one_finishes(
    tmp_path: Path, connection: Connection, workers: int
) -> None:
    write_slice(tmp_path, 0, slice_of([playlist(900)]))
    for number in range(1, 4):
        write_slice(tmp_path, number * 1000, with_reject(str(number), first=number * 10))
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=load, args=(connect, [tmp_path]), kwargs={"workers": workers})

    with nobody_writes("staging.rejects"):
        process.start()
        wait_until(lambda: len(waiters(connection)) == 1, "the load did not come to the lock")
        process.kill()
        process.join()
    wait_until_alone(connection)

    assert load_rows(connection) == ["running"]
    report = loaded(tmp_path)
    # A worker that was cut off may still have finished what it had in hand: a slice whole, or nothing of it.
    assert (report.refused, report.landed + report.skipped, counts(connection)) == (0, 4, (4, 7, 3))
    assert load_rows(connection) == ["cut_short", "refused_some"]


@contextmanager
def attempt_elsewhere(path: Path, data: bytes) -> Iterator[tuple[Connection, Attempt]]:
    """Another load, which has a slice in hand; its transaction is open."""
    [source] = discover([path])
    with connect(autocommit=True) as other, ledger.load_entry(other, "load", [], {}) as entry, other.transaction():
        sha256 = hashlib.sha256(data).hexdigest()
        yield other, Attempt(entry.load_id, source, time.monotonic(), sha256, len(data))


@pytest.mark.parametrize("copied", [False, True], ids=["the same file", "a copy"])
def test_of_two_loaders_on_one_slice_the_second_waits_and_skips(
    tmp_path: Path, connection: Connection, copied: bool
) -> None:
    data = slice_of([])
    path = write_slice(tmp_path, 0, data)
    second_path = write_slice(tmp_path / "copy", 0, data) if copied else path

    with ThreadPoolExecutor(1) as pool:
        with attempt_elsewhere(path, data) as (first, attempt):
            ledger.claim(first, str(attempt.sha256))
            second = pool.submit(loaded, second_path)
            wait_for_waiter(connection)
            ledger.open_entry(first, attempt, encoded(INFO))
        assert only(second.result()).outcome == "skipped"

    assert ledger_rows(connection) == [("landed", None), *([("duplicate", None)] if copied else [])]


def test_a_loader_that_meets_who_lands_without_a_turn_starts_again_and_supersedes(
    tmp_path: Path, connection: Connection
) -> None:
    theirs = encoded(playlist(0, name="theirs"))
    found = check(memoryview(theirs), 0)
    assert isinstance(found, Playlist)
    data = slice_of_raw([theirs])

    with ThreadPoolExecutor(1) as pool:
        path = write_slice(tmp_path, 0, data)
        with attempt_elsewhere(path, data) as (first, attempt):
            land(first, ledger.open_entry(first, attempt, encoded(INFO)), [pack(found)])
            second = pool.submit(loaded, write_slice(tmp_path, 1000, DATA))
            wait_for_waiter(connection)
        outcome = only(second.result())

    assert (outcome.landed, outcome.unchanged, outcome.rejected) == (3, 0, 0)
    assert documents(connection)[0] == playlist(0)
    assert counts(connection) == (2, 4, 0)


def versions_out_of_order(connection: Connection) -> Rows:
    """Playlists whose current version is another than that of the largest slice_id, or whose times go backwards."""
    return rows(
        connection,
        "select pid, array_agg(slice_id order by slice_id), array_agg(slice_id) filter (where superseded_at is null)"
        " from (select *, lead(landed_at) over (partition by pid order by slice_id) as next_landed_at"
        " from staging.playlists) as versions group by pid"
        " having max(slice_id) is distinct from max(slice_id) filter (where superseded_at is null)"
        " or count(*) filter (where superseded_at is null) <> 1 or bool_or(superseded_at < landed_at)"
        " or bool_or(next_landed_at < landed_at)",
    )


def ledger_as_finished(connection: Connection) -> list[object]:
    return [number for (number,) in rows(connection, "select slice_id from staging.slices order by finished_at")]


def test_a_slice_that_is_being_landed_keeps_all_later_ones_waiting(
    tmp_path: Path, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(write_slice(tmp_path, 0, DATA))
    has_its_number, may_go_on = threading.Event(), threading.Event()

    def hold_the_first(*args: Any) -> Landed:
        if not has_its_number.is_set():
            has_its_number.set()
            assert may_go_on.wait(DEADLINE_SECONDS)
        return land(*args)

    monkeypatch.setattr(load_module, "land", hold_the_first)

    with ThreadPoolExecutor(4) as pool:
        started = [pool.submit(loaded, write_slice(tmp_path, 1000, slice_of([playlist(0, name="earlier")])))]
        assert has_its_number.wait(DEADLINE_SECONDS)
        started += [
            pool.submit(loaded, write_slice(tmp_path, 2000, slice_of([playlist(0, name="later")]))),
            # What lands nothing has its place in the ledger too. This one is a copy of what is no longer current when
            # its turn has come.
            pool.submit(loaded, write_slice(tmp_path / "copy", 0, DATA)),
            pool.submit(loaded, write_slice(tmp_path, 3000, b"{")),
        ]
        wait_until(
            lambda: len(waiters(connection)) + sum(load.done() for load in started) == 3,
            "a load neither waits nor ends",
        )
        may_go_on.set()
        outcomes = [only(load.result()).outcome for load in started]

    assert versions_out_of_order(connection) == []
    assert outcomes == ["landed", "landed", "landed", "refused"]
    assert ledger_as_finished(connection) == [1, 2, 3, 4, 5]


def test_loads_at_once_of_the_same_playlists_land_versions_in_the_order_of_their_slices(
    tmp_path: Path, connection: Connection
) -> None:
    def load_all(name: str) -> None:
        for number in range(12):
            # In turns forwards and backwards, so that two of them lock in another order.
            playlists = [playlist(pid, name=f"{name} {number % 3}") for pid in range(40)][:: -1 if number % 2 else 1]
            loaded(write_slice(tmp_path / name, number, slice_of(playlists)))
            loaded(write_slice(tmp_path / name, 1000 + number, b"{"))

    with ThreadPoolExecutor(3) as pool:
        for finished in [pool.submit(load_all, name) for name in ("one", "another", "third")]:
            finished.result()

    assert versions_out_of_order(connection) == []
    finished_in_order = ledger_as_finished(connection)
    assert len(finished_in_order) >= 3 * 12
    assert finished_in_order == sorted(finished_in_order, key=int)


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
    assert load_rows(connection) == ["succeeded"] * 3


def test_the_log_names_refused_slices_and_rejects_as_warnings(
    tmp_path: Path, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    write_slice(tmp_path, 0, b"{")
    write_slice(tmp_path, 1000, with_reject("x"))
    write_slice(tmp_path, 2000, slice_of([playlist(5)]))

    loaded(tmp_path)

    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert ["reason=not_json" in warnings[0], "playlists_rejected=1" in warnings[1], len(warnings)] == [True, True, 2]
