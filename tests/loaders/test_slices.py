"""What finding and reading slices promises."""

import gzip
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import encoded, forbid, playlist, slice_of, write_gzip, write_slice, write_zip, zip_of

from loaders import slices
from loaders.schema import SLICE_REASONS, split
from loaders.slices import SliceRefused, SliceSource, discover, read

DATA = slice_of([playlist(0), playlist(1)])
MEMBER = "data/mpd.slice.0-999.json"
ARCHIVE = zip_of({MEMBER: DATA})


def reason_of(path: Path) -> str:
    [source] = discover([path])
    with pytest.raises(SliceRefused) as refusal:
        read(source)
    assert refusal.value.reason in SLICE_REASONS
    assert refusal.value.detail
    return refusal.value.reason


def why_not(source: SliceSource) -> str | None:
    """The reason for which a slice does not land, if it is for what the file is as a whole."""
    try:
        split(read(source))
    except SliceRefused as refusal:
        return refusal.reason
    return None


def names_in(path: Path) -> list[str]:
    return [source.member or source.path.name for source in discover([path])]


def test_a_folder_is_searched_to_the_bottom_and_ordered_by_first_pid(tmp_path: Path) -> None:
    for first in (10_000, 2_000, 0, 999_000):
        write_slice(tmp_path / f"data{first % 3}", first, DATA)
    write_gzip(tmp_path / "mpd.slice.1000-1999.json.gz", DATA)

    assert names_in(tmp_path) == [
        "mpd.slice.0-999.json",
        "mpd.slice.1000-1999.json.gz",
        "mpd.slice.2000-2999.json",
        "mpd.slice.10000-10999.json",
        "mpd.slice.999000-999999.json",
    ]


def test_a_folder_gives_up_all_json_and_nothing_else(tmp_path: Path) -> None:
    for first, name in enumerate(["mpd.slice.1000-1999.json", "MPD.SLICE.0-999.JSON", "part.json", "UPPER.Json.GZ"]):
        (tmp_path / name).write_bytes(slice_of([playlist(first)]))
    others = ("README.md", "stats.txt", "license", ".DS_Store", "._part.json", "mpd.slice.0-999.json.txt", "mpd.zip")
    for name in others:
        (tmp_path / name).write_bytes(DATA)
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "._mpd.slice.0-999.json").write_bytes(b"resource fork")
    (tmp_path / "mpd.slice.5-6.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")

    assert names_in(tmp_path) == ["UPPER.Json.GZ", "part.json", "MPD.SLICE.0-999.JSON", "mpd.slice.1000-1999.json"]


def test_an_archive_gives_up_all_json_and_nothing_else(tmp_path: Path) -> None:
    members = {
        "data/mpd.slice.2000-2999.json": DATA,
        MEMBER: DATA,
        "part.json": DATA,
        "UPPER.Json.GZ": DATA,
        "__MACOSX/data/._mpd.slice.0-999.json": b"resource fork",
        "data/.DS_Store": b"",
        "license.txt": b"",
        "src/check.py": b"",
        "folder.json/": b"",
    }

    assert names_in(write_zip(tmp_path / "mpd.zip", members)) == [
        *("UPPER.Json.GZ", "part.json", MEMBER),
        "data/mpd.slice.2000-2999.json",
    ]


LATE_PLAYLISTS = encoded({"info": {"notes": "x" * 200_000}, "playlists": [playlist(0)]})
OTHER_FIELD_FIRST = encoded({"about": "x" * 100_000, "info": {}, "playlists": [playlist(0)]})
# What is called like a slice, and why it is none; None if it is one.
CALLED_JSON: dict[str, tuple[str, bytes, str | None]] = {
    "long info": ("part.json", LATE_PLAYLISTS, None),
    "long info, compressed": ("part.json.gz", gzip.compress(LATE_PLAYLISTS), None),
    "another field first": ("part.json", OTHER_FIELD_FIRST, None),
    "capitals": ("PART.JSON", DATA, None),
    "gzip by another name": ("part.json", gzip.compress(DATA), None),
    "no gzip, for all its name": ("part.json.gz", DATA, None),
    "nothing": ("part.json", b"", "empty_file"),
    "blanks": ("part.json", b" \n", "empty_file"),
    "array": ("part.json", b"[]", "wrong_shape"),
    "another object": ("stats.json", b'{"playlists": 1000}', "wrong_shape"),
    "challenge set": (
        "challenge_set.json",
        encoded({"date": "", "version": "v1", "playlists": [{}]}),
        "challenge_set",
    ),
    "text": ("part.json", b"see README", "not_json"),
    "text, not compressed": ("part.json.gz", b"see README", "not_json"),
    "UTF-16": ("part.json", DATA.decode().encode("utf-16"), "not_utf8"),
    "cut gzip": ("part.json.gz", gzip.compress(DATA)[:-9], "corrupt_archive"),
    "no deflate data": ("part.json.gz", b"\x1f\x8b\x08 not gzip at all", "corrupt_archive"),
}


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize(("name", "data", "reason"), CALLED_JSON.values(), ids=CALLED_JSON)
def test_what_is_called_json_is_a_slice_or_refused_with_its_reason(
    tmp_path: Path, kind: str, name: str, data: bytes, reason: str | None
) -> None:
    path = tmp_path / "data"
    if kind == "folder":
        write_slice(path, 0, DATA)
        (path / name).write_bytes(data)
    else:
        write_zip(path, {MEMBER: DATA, name: data})

    other, sound = discover([path])

    assert (other.member or other.path.name, read(sound)) == (name, DATA)
    assert why_not(other) == reason


def test_finding_slices_reads_nothing_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_slice(tmp_path, 0, DATA)
    part = tmp_path / "part.json"
    part.write_bytes(DATA)
    archive = write_zip(tmp_path / "mpd.zip", {MEMBER: DATA, "part.json": DATA})
    forbid(monkeypatch, part)

    def fail(*arguments: object) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr(zipfile.ZipFile, "open", fail)

    assert len(discover([tmp_path, archive])) == 4


def test_a_named_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "anything.txt"
    path.write_bytes(DATA)

    [source] = discover([path])

    assert (source.path, source.member, read(source)) == (path.resolve(), None, DATA)


def test_overlapping_paths_give_each_slice_once_in_the_order_of_the_paths(tmp_path: Path) -> None:
    for first in (0, 1_000):
        write_slice(tmp_path, first, DATA)
    second = tmp_path / "mpd.slice.1000-1999.json"

    found = discover([second, tmp_path, str(tmp_path / ".." / tmp_path.name)])

    assert [source.path.name for source in found] == [second.name, "mpd.slice.0-999.json"]


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_slice(tmp_path, 0, DATA)
    monkeypatch.chdir(tmp_path)

    assert discover([path.name]) == discover([path])


@pytest.mark.parametrize("kind", ["json", "gzip", "zip", "zip of gzip", "zip with another name"])
def test_every_kind_of_source_reads_as_the_plain_file(tmp_path: Path, kind: str) -> None:
    path = {
        "json": lambda: write_slice(tmp_path, 0, DATA),
        "gzip": lambda: write_gzip(tmp_path / "mpd.slice.0-999.json.gz", DATA),
        "zip": lambda: write_zip(tmp_path / "mpd.zip", {MEMBER: DATA}),
        "zip of gzip": lambda: write_zip(
            tmp_path / "mpd.zip", {f"{MEMBER}.gz": write_gzip(tmp_path / "x.gz", DATA).read_bytes()}
        ),
        "zip with another name": lambda: write_zip(tmp_path / "dataset", {MEMBER: DATA}),
    }[kind]()

    [source] = discover([path])

    assert read(source) == DATA


def test_a_look_tells_changed_files_and_members_apart(tmp_path: Path) -> None:
    path = write_slice(tmp_path, 0, DATA)
    os.utime(path, ns=(1, 1))
    [before] = discover([path])
    os.utime(path, ns=(1, 2))
    [touched] = discover([path])
    [member] = discover([write_zip(tmp_path / "mpd.zip", {MEMBER: DATA})])
    [other] = discover([write_zip(tmp_path / "mpd.zip", {MEMBER: DATA.replace(b"Playlist 1", b"Playlist 2")})])

    assert len({before.fingerprint, touched.fingerprint, member.fingerprint, other.fingerprint}) == 4


PATHS_WITHOUT_SLICES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": ("there", lambda path: None, "absent"),
    "missing zip": ("mpd.zip", lambda path: None, "absent"),
    "below a file": ("file/there", lambda path: path.parent.write_bytes(b""), "absent"),
    "dangling link": ("there", lambda path: path.symlink_to("nowhere"), "absent"),
    "circle of links": ("there", lambda path: path.symlink_to(path), "absent"),
    "device": ("there", lambda path: path.symlink_to(os.devnull), "absent"),
    "pipe": ("there", os.mkfifo, "absent"),
    "name beyond the limit": ("x" * 300, lambda path: None, "unreadable"),
    "empty folder": ("folder", Path.mkdir, "no_slices"),
    "folder of others": ("folder", lambda path: write_slice(path, 0, DATA).rename(path / "notes.txt"), "no_slices"),
    "empty zip": ("mpd.zip", lambda path: write_zip(path, {}), "no_slices"),
    "zip of others": ("mpd.zip", lambda path: write_zip(path, {"stats.txt": b"{}", "notes.txt": DATA}), "no_slices"),
    "empty file called zip": ("mpd.zip", Path.touch, "corrupt_archive"),
    "not a zip": ("mpd.zip", lambda path: path.write_bytes(DATA), "corrupt_archive"),
    "cut zip": ("mpd.zip", lambda path: path.write_bytes(ARCHIVE[:-30]), "corrupt_archive"),
    "zip of a version to come": (
        "mpd.zip",
        lambda path: path.write_bytes(with_directory_byte(ARCHIVE, 6, 200)),
        "corrupt_archive",
    ),
    "zip with a name that is not UTF-8": (
        "mpd.zip",
        lambda path: path.write_bytes(with_directory_byte(ARCHIVE, 9, 8).replace(b"mpd.slice", b"mpd\xffslice")),
        "corrupt_archive",
    ),
}


def with_directory_byte(archive: bytes, at: int, value: int) -> bytes:
    """An archive with another byte in what the directory at its end says of the first member."""
    data = bytearray(archive)
    data[data.index(b"PK\x01\x02") + at] = value
    return bytes(data)


@pytest.mark.parametrize(("name", "make", "reason"), PATHS_WITHOUT_SLICES.values(), ids=PATHS_WITHOUT_SLICES)
def test_a_path_without_slices_is_refused_by_itself(
    tmp_path: Path, name: str, make: Callable[[Path], object], reason: str
) -> None:
    path = tmp_path / name
    make(path)
    before = write_slice(tmp_path / "before", 0, DATA)
    after = write_slice(tmp_path / "after", 0, DATA)

    first, refused, last = discover([before, path, after])

    assert (read(first), read(last)) == (DATA, DATA)
    assert (refused.path, refused.member, refused.fingerprint) == (path, None, None)
    assert refused.refusal is not None
    assert refused.refusal.reason == reason_of(path) == reason


def test_a_relative_path_without_slices_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    [refused] = discover(["missing"])

    assert refused.path == tmp_path / "missing"


@pytest.mark.parametrize("kind", ["folder", "zip", "file"])
def test_a_path_that_may_not_be_read_is_refused_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = {
        "folder": lambda: write_slice(tmp_path / "folder", 0, DATA).parent,
        # Of another name: what kind of file it is can then only be told by opening it.
        "zip": lambda: write_zip(tmp_path / "dataset", {MEMBER: DATA}),
        "file": lambda: write_slice(tmp_path, 0, DATA),
    }[kind]()
    other = write_slice(tmp_path / "other", 1000, DATA)
    forbid(monkeypatch, path)

    refused, sound = discover([path, other])

    assert (refused.path, reason_of(path), read(sound)) == (path, "unreadable", DATA)
    with pytest.raises(SliceRefused, match="Permission denied"):
        read(refused)


@pytest.mark.parametrize("name", ["mpd.slice.1000-1999.json", "notes.json"])
def test_a_file_that_may_not_be_read_costs_no_other_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    sound = write_slice(tmp_path, 0, DATA)
    forbidden = tmp_path / name
    forbidden.write_bytes(DATA)
    forbid(monkeypatch, forbidden)

    found = {source.path: source for source in discover([tmp_path])}

    assert read(found[sound]) == DATA
    assert found.keys() == {sound, forbidden}
    with pytest.raises(SliceRefused, match="unreadable"):
        read(found[forbidden])


def test_a_file_name_that_is_not_utf8_still_has_a_source_that_is_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"mpd.slice.0-999\xff.json")
    path.write_bytes(DATA)

    [source] = discover([path])

    assert source.source.encode("utf-8").endswith(b"mpd.slice.0-999\\xff.json")


def test_a_file_that_vanished_is_unreadable(tmp_path: Path) -> None:
    path = write_slice(tmp_path, 0, DATA)
    sources = discover([path])
    path.unlink()

    with pytest.raises(SliceRefused, match="unreadable"):
        read(sources[0])


def test_gzip_cut_anywhere_is_corrupt(tmp_path: Path) -> None:
    path = write_gzip(tmp_path / "mpd.slice.0-999.json.gz", DATA)
    whole = path.read_bytes()

    for length in range(2, len(whole)):
        path.write_bytes(whole[:length])
        assert reason_of(path) == "corrupt_archive"


@pytest.mark.parametrize("position", [20, -20, -6, -1])
def test_gzip_with_a_flipped_bit_is_corrupt(tmp_path: Path, position: int) -> None:
    path = write_gzip(tmp_path / "mpd.slice.0-999.json.gz", DATA)
    damaged = bytearray(path.read_bytes())
    damaged[position] ^= 4
    path.write_bytes(damaged)

    assert reason_of(path) == "corrupt_archive"


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_whose_checksum_is_wrong_is_corrupt(tmp_path: Path, compression: int) -> None:
    path = write_zip(tmp_path / "mpd.zip", {MEMBER: DATA}, compression)
    damaged = bytearray(path.read_bytes())
    damaged[200] ^= 1
    path.write_bytes(damaged)

    assert reason_of(path) == "corrupt_archive"


@pytest.mark.parametrize("difference", [-1, 1, 1_000_000])
def test_a_member_that_lies_about_its_size_is_corrupt(tmp_path: Path, difference: int) -> None:
    path = write_zip(tmp_path / "mpd.zip", {MEMBER: DATA})
    size, lie = (len(DATA) + extra for extra in (0, difference))
    path.write_bytes(path.read_bytes().replace(size.to_bytes(4, "little"), lie.to_bytes(4, "little")))

    assert reason_of(path) == "corrupt_archive"


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_with_any_byte_damaged_is_read_right_or_refused_for_it(tmp_path: Path, compression: int) -> None:
    data = slice_of([playlist(0, length=1)])
    path = write_zip(tmp_path / "mpd.zip", {MEMBER: data, "notes.json": b"[1, 2]"}, compression)
    whole = path.read_bytes()
    reasons = set()

    # Every byte of what describes the members, and some of their content.
    for position in {*range(0, len(whole), 7), *range(90), *range(len(whole) - 260, len(whole))}:
        damaged = bytearray(whole)
        damaged[position] ^= 0x81
        path.write_bytes(damaged)
        for source in discover([path]):
            try:
                assert read(source) in (data, b"[1, 2]")
            except SliceRefused as refusal:
                reasons.add(refusal.reason)

    assert "corrupt_archive" in reasons
    assert reasons <= {"corrupt_archive", "encrypted", "no_slices"}


def test_an_encrypted_member_says_so(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "mpd.zip", {MEMBER: DATA})
    data = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + flags] |= 1
    path.write_bytes(data)

    assert reason_of(path) == "encrypted"


def test_a_nested_archive_says_so(tmp_path: Path) -> None:
    inner = write_zip(tmp_path / "inner.zip", {MEMBER: DATA}).read_bytes()

    assert reason_of(write_zip(tmp_path / "mpd.zip", {"inner.zip": inner})) == "nested_archive"


@pytest.mark.parametrize("kind", ["json", "gzip", "zip"])
def test_a_slice_beyond_the_limit_is_refused_before_it_fills_memory(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = bytes(1_000_000)
    path = {
        "json": lambda: write_slice(tmp_path, 0, zeros),
        "gzip": lambda: write_gzip(tmp_path / "mpd.slice.0-999.json.gz", zeros),
        "zip": lambda: write_zip(tmp_path / "mpd.zip", {MEMBER: zeros}),
    }[kind]()
    monkeypatch.setattr(slices, "MAX_SLICE_BYTES", 10_000)

    assert reason_of(path) == "too_large"


def test_a_slice_of_exactly_the_limit_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "MAX_SLICE_BYTES", len(DATA))

    assert read(discover([write_slice(tmp_path, 0, DATA)])[0]) == DATA


def test_a_file_that_cannot_be_read_is_refused_and_its_neighbours_are_found(tmp_path: Path) -> None:
    sound = write_slice(tmp_path, 0, slice_of([playlist(0)]))
    # It opens, and the first read fails with an error that names no file.
    (tmp_path / "odd.json").symlink_to("/proc/self/mem")

    found = {source.path: why_not(source) for source in discover([tmp_path])}

    assert found.pop(sound) is None
    assert list(found.values()) == ["unreadable"]


def test_a_link_of_the_name_of_a_slice_that_leads_nowhere_is_said(tmp_path: Path) -> None:
    sound = write_slice(tmp_path, 0, slice_of([playlist(0)]))
    dangling = [tmp_path / name for name in ("part.json", "mpd.slice.1000-1999.json")]
    for link in (*dangling, tmp_path / "notes.txt"):
        link.symlink_to(f"unmounted/{link.name}")

    found = {source.path: why_not(source) for source in discover([tmp_path])}

    assert found == {sound: None} | dict.fromkeys(dangling, "absent")


def test_folders_behind_links_are_searched_once_and_circles_end(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "elsewhere", 0, slice_of([playlist(0)]))
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / name).symlink_to(path.parent)
    (path.parent / "back").symlink_to(folder)

    assert [source.path for source in discover([folder])] == [path.resolve()]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_members_of_one_name_the_last_counts_and_those_of_other_content_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mpd.zip"
    old, other, new = (slice_of([playlist(0, name=name)]) for name in ("old", "other", "new"))
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in [("a.json", old), ("b.json", old), ("a.json", new), ("a.json", other), ("a.json", new)]:
            archive.writestr(name, data)

    *earlier, last, single = discover([path])

    assert [(source.member, why_not(source)) for source in earlier] == [
        ("a.json#1", "repeated_member"),
        ("a.json#3", "repeated_member"),
    ]
    assert (last.member, read(last)) == ("a.json", new)
    assert (single.member, read(single)) == ("b.json", old)
    assert len({source.fingerprint for source in (*earlier, last)}) == 3


def damaged_member(archive: bytes, name: str, damage: str) -> bytes:
    """An archive of which one member is damaged."""
    data = bytearray(archive)
    local = data.index(name.encode())
    central = data.index(name.encode(), data.index(b"PK\x01\x02"))
    if damage == "data":
        start = local + len(name)
        data[start + 20 : start + 40] = bytes(20)
    elif damage == "size":
        for at in (local - 30 + 22, central - 46 + 24):
            data[at] ^= 1
    else:
        for at in (local - 30 + 6, central - 46 + 8):
            data[at] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("damage", "reason"), [("data", "corrupt_archive"), ("size", "corrupt_archive"), ("password", "encrypted")]
)
@pytest.mark.parametrize("name", ["b.json", "mpd.slice.0-999.json"])
def test_a_damaged_member_is_refused_for_it_whatever_its_name_and_company(
    tmp_path: Path, name: str, damage: str, reason: str
) -> None:
    alone, beside = tmp_path / "alone.zip", tmp_path / "beside.zip"
    alone.write_bytes(damaged_member(zip_of({name: DATA}), name, damage))
    beside.write_bytes(damaged_member(zip_of({"a.json": DATA, name: DATA}), name, damage))

    assert [why_not(source) for source in discover([alone])] == [reason]
    assert [why_not(source) for source in discover([beside])] == [None, reason]
