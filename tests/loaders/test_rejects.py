"""What taking rejects out, correcting and landing them promises, on a real server."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from builders import INFO, Json, encoded, playlist, slice_of_raw, write_slice, write_zip
from psycopg import Connection

from loaders.load import load
from loaders.rejects import Selection, export, find, land
from loaders.slices import LoadError
from warehouse.database import connect

HOSTILE = [
    b'{ "pid" : 1,\n\t"name":"\\u0000" }',
    b"[1 ,2]",
    '{"pid": 5, "name": "\u00fc\U0001f600", "x": NaN}'.encode(),
    encoded(playlist(6, more="\ud800")),
    b'{"pid": 7, "more": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    b'{"pid": 8, "pid": 8}',
    encoded(playlist(9, name="")),
]


def raws_in(connection: Connection, table: str = "open_rejects") -> list[bytes]:
    with connection.transaction():
        rows = connection.execute(f"select raw from staging.{table} order by slice_id, ordinal").fetchall()
    return [bytes(raw) for (raw,) in rows]


def land_rejects(folder: Path, raws: Iterable[bytes] = HOSTILE, first: int = 0) -> Path:
    path = write_slice(folder, first, slice_of_raw([encoded(playlist(first)), *raws]))
    assert load(connect, [path]).refused == 0
    return path


def exported(tmp_path: Path, *reasons: str) -> Path:
    path = tmp_path / "rejects.json"
    export(connect, path, Selection(reasons), overwrite=True)
    return path


def correct(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))


def current(connection: Connection, pid: int) -> Json | None:
    with connection.transaction():
        row = connection.execute("select doc from staging.playlist_documents where pid = %s", [pid]).fetchone()
    return None if row is None else row[0]


def test_open_rejects_are_listed_with_counts_by_reason(tmp_path: Path, connection: Connection) -> None:
    land_rejects(tmp_path)
    archive = write_zip(tmp_path / "mpd.zip", {"mpd.slice.0-9.json": slice_of_raw([encoded(playlist(3, num_edits=0))])})
    load(connect, [archive])

    listing = find(connect, Selection())

    reasons = ["null_character", "not_an_object", "not_a_number", "lone_surrogate", "too_deep", "duplicate_key"]
    assert [reject.reason for reject in listing.rejects] == [*reasons, "empty_name", "out_of_range"]
    assert [reject.ordinal for reject in listing.rejects] == [1, 2, 3, 4, 5, 6, 7, 0]
    assert [reject.pid for reject in listing.rejects] == [1, None, 5, 6, 7, 8, 9, 3]
    assert listing.rejects[-1].source == f"{archive.resolve()}!mpd.slice.0-9.json"
    assert listing.counts == dict.fromkeys([*reasons, "empty_name", "out_of_range"], 1)


def test_a_selection_narrows_and_counts_what_the_limit_leaves_out(tmp_path: Path, connection: Connection) -> None:
    land_rejects(tmp_path / "one", [encoded(playlist(pid, name="")) for pid in (1, 2, 3)])
    land_rejects(tmp_path / "two", [encoded(playlist(1001, name="")), b"7"], first=1000)

    assert [reject.pid for reject in find(connect, Selection(limit=2)).rejects] == [1, 2]
    assert find(connect, Selection(limit=2)).counts == {"empty_name": 4, "not_an_object": 1}
    assert [reject.ordinal for reject in find(connect, Selection(["not_an_object"])).rejects] == [2]
    assert find(connect, Selection(source="two/mpd")).counts == {"empty_name": 1, "not_an_object": 1}
    assert find(connect, Selection(source="%")).counts == {}


def test_an_export_lands_again_to_the_same_rejects_byte_for_byte(tmp_path: Path, connection: Connection) -> None:
    land_rejects(tmp_path)
    path = exported(tmp_path)

    report = land(connect, path)

    assert (report.playlists_landed, report.playlists_rejected) == (0, len(HOSTILE))
    # Each is open once, as a reject of the file that was landed.
    assert raws_in(connection) == HOSTILE
    assert {reject.source for reject in find(connect, Selection()).rejects} == {str(path)}
    assert raws_in(connection, "rejects") == HOSTILE * 2
    assert find(connect, Selection(every=True)).counts == dict.fromkeys(find(connect, Selection()).counts, 2)


def test_what_was_corrected_lands_and_what_was_not_stays_open(tmp_path: Path, connection: Connection) -> None:
    land_rejects(tmp_path)
    path = exported(tmp_path)
    correct(path, HOSTILE[-1], encoded(playlist(9, name="mended")))

    report = land(connect, path)

    assert (report.playlists_landed, report.playlists_rejected) == (1, len(HOSTILE) - 1)
    assert current(connection, 9) == playlist(9, name="mended")
    assert raws_in(connection) == HOSTILE[:-1]
    with connection.transaction():
        assert connection.execute("select command from ops.loads order by load_id").fetchall() == [
            ("load",),
            ("rejects land",),
        ]


def test_correcting_the_rest_later_closes_the_rest(tmp_path: Path, connection: Connection) -> None:
    land_rejects(tmp_path)
    path = exported(tmp_path)
    land(connect, path)
    for number, raw in enumerate(HOSTILE):
        correct(path, raw, encoded(playlist(100 + number)))

    assert land(connect, path).playlists_landed == len(HOSTILE)
    assert raws_in(connection) == []


def test_landing_the_same_file_twice_changes_nothing(tmp_path: Path, connection: Connection) -> None:
    land_rejects(tmp_path)
    path = exported(tmp_path)
    land(connect, path)
    before = raws_in(connection, "rejects")

    assert land(connect, path).skipped == 1
    assert raws_in(connection, "rejects") == before


def test_an_export_of_an_export_lands_too(tmp_path: Path, connection: Connection) -> None:
    land_rejects(tmp_path)
    land(connect, exported(tmp_path))
    second = tmp_path / "second.json"
    export(connect, second, Selection())
    correct(second, HOSTILE[1], encoded(playlist(50)))

    land(connect, second)

    assert raws_in(connection) == [raw for raw in HOSTILE if raw != HOSTILE[1]]


def test_two_exports_to_one_file_name_lose_nothing_of_each_other(tmp_path: Path, connection: Connection) -> None:
    land_rejects(tmp_path)
    for reason in ("too_deep", "empty_name"):
        land(connect, exported(tmp_path, reason))

    assert sorted(raws_in(connection)) == sorted(HOSTILE)


def test_one_export_under_two_file_names_counts_once(tmp_path: Path, connection: Connection) -> None:
    land_rejects(tmp_path)
    path = exported(tmp_path)
    land(connect, path)
    renamed = path.rename(tmp_path / "edited.json")
    correct(renamed, HOSTILE[-1], encoded(playlist(9)))

    land(connect, renamed)

    assert raws_in(connection) == HOSTILE[:-1]


def test_a_file_of_another_database_closes_nothing(tmp_path: Path, connection: Connection) -> None:
    land_rejects(tmp_path)
    info = {"rejects": [{"slice_id": 1, "ordinal": 1, "reason": "null_character", "source": "elsewhere"}]}

    load(connect, [write_slice(tmp_path, 5000, b'{"info": ' + encoded(info) + b', "playlists": []}')])

    assert raws_in(connection) == HOSTILE


def test_an_export_loaded_as_a_slice_closes_its_rejects_as_well(tmp_path: Path, connection: Connection) -> None:
    land_rejects(tmp_path)
    path = exported(tmp_path)

    load(connect, [path])

    assert raws_in(connection) == HOSTILE


def test_a_file_that_the_loader_refuses_closes_nothing(tmp_path: Path, connection: Connection) -> None:
    land_rejects(tmp_path)
    path = exported(tmp_path)
    # Whoever edits it may break more than a playlist.
    path.write_bytes(path.read_bytes()[:-3])

    with pytest.raises(LoadError, match="truncated"):
        land(connect, path)
    assert load(connect, [path]).refused == 1
    assert {reject.source for reject in find(connect, Selection()).rejects} == {str(tmp_path / "mpd.slice.0-999.json")}


def test_playlists_of_repeated_pid_are_exported_only_where_asked_for(tmp_path: Path, connection: Connection) -> None:
    twin = encoded(playlist(0, name="twin"))
    land_rejects(tmp_path, [twin, encoded(playlist(1, name=""))])

    assert export(connect, tmp_path / "most.json", Selection()) == 1
    assert export(connect, tmp_path / "twins.json", Selection(["repeated_pid"])) == 1
    assert twin in (tmp_path / "twins.json").read_bytes()


def test_nothing_to_export_makes_no_file(tmp_path: Path, connection: Connection) -> None:
    assert export(connect, tmp_path / "rejects.json", Selection()) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_there", [True, False])
def test_an_export_through_a_link_writes_what_it_names(tmp_path: Path, connection: Connection, is_there: bool) -> None:
    land_rejects(tmp_path)
    target = tmp_path / "elsewhere" / "target.json"
    target.parent.mkdir()
    if is_there:
        target.write_bytes(b"old")
    link = tmp_path / "rejects.json"
    link.symlink_to("elsewhere/target.json")

    assert export(connect, link, Selection(), overwrite=is_there) == len(HOSTILE)

    assert link.is_symlink()
    assert target.is_file()
    assert list(target.parent.iterdir()) == [target]
    assert land(connect, link).playlists_rejected == len(HOSTILE)


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("kind", ["pipe", "link to a device", "circle of links", "folder"])
def test_what_is_no_file_is_not_replaced_by_an_export(
    tmp_path: Path, connection: Connection, kind: str, overwrite: bool
) -> None:
    land_rejects(tmp_path)
    path = tmp_path / "there"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path if kind == "circle of links" else os.devnull)
    before = path.lstat()

    with pytest.raises(LoadError, match="is no file"):
        export(connect, path, Selection(), overwrite=overwrite)

    assert path.lstat() == before


def test_a_file_that_may_hold_corrections_is_not_overwritten(tmp_path: Path, connection: Connection) -> None:
    land_rejects(tmp_path / "slices")
    path = tmp_path / "rejects.json"
    path.write_text("corrections")

    with pytest.raises(LoadError, match="is there already"):
        export(connect, path, Selection())
    assert path.read_text() == "corrections"
    assert export(connect, path, Selection(), overwrite=True) == len(HOSTILE)
    assert [found.name for found in tmp_path.iterdir() if found.is_file()] == ["rejects.json"]


@pytest.mark.parametrize(
    ("versions", "expected"), [(["v1"], "v1"), (["v1", "synthetic-1"], "synthetic-1 and v1"), ([None], "unknown")]
)
def test_made_playlists_stay_known_as_made(
    tmp_path: Path, connection: Connection, versions: list[str | None], expected: str
) -> None:
    for number, version in enumerate(versions):
        info = INFO | {"version": version} if version else {}
        data = b'{"info": ' + encoded(info) + b', "playlists": [%d]}' % number
        load(connect, [write_slice(tmp_path, number, data)])

    path = exported(tmp_path)

    assert json.loads(path.read_bytes())["info"]["version"] == expected


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b",\n\n[1 ,2]", b"", "as its info names rejects: 7, not 6"),
        (b'"rejects": [', b'"others": [', "missing required field `rejects`"),
        (b'"slice_id": 1,\n   "ordinal": 1,', b'"slice_id": 1,\n   "ordinal": 99,', "does not have: number 99 of"),
        (b'"slice_id": 1,\n   "ordinal": 1,', b'"slice_id": "1",\n   "ordinal": 1,', "Expected `int`"),
        (
            b'"slice_id": 1,\n   "ordinal": 1,',
            b'"slice_id": 9999999999,\n   "ordinal": 1,',
            "Expected `int` <= 2147483647",
        ),
        (b'"reason": "too_deep"', b'"reason": "positions"', "does not have: number 5 of"),
    ],
)
def test_a_file_that_is_no_export_of_this_database_is_refused_before_anything_lands(
    tmp_path: Path, connection: Connection, old: bytes, new: bytes, message: str
) -> None:
    land_rejects(tmp_path)
    path = exported(tmp_path)
    correct(path, old, new)

    with pytest.raises(LoadError, match=message):
        land(connect, path)
    assert raws_in(connection, "rejects") == HOSTILE


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04", b'{"info": {}, "playlists": []}'])
def test_what_is_no_file_of_rejects_is_refused(tmp_path: Path, connection: Connection, content: bytes | None) -> None:
    path = tmp_path / "rejects.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(LoadError, match=r"rejects\.json is not a file that"):
        land(connect, path)


@pytest.mark.parametrize("rejects", [b"7", b'"x"', b"{}", b'[1, null, {"slice_id": [], "ordinal": {}}]'])
def test_a_slice_whose_info_happens_to_speak_of_rejects_does_no_harm(
    tmp_path: Path, connection: Connection, rejects: bytes
) -> None:
    land_rejects(tmp_path)
    data = b'{"info": {"rejects": ' + rejects + b'}, "playlists": []}'

    assert load(connect, [write_slice(tmp_path, 5000, data)]).landed == 1
    assert raws_in(connection) == HOSTILE
