"""What finding and reading slices promises."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import encoded, forbid, playlist, slice_of, write_gzip, write_slice, write_zip, zip_of

from loaders import slices
from loaders.schema import SLICE_REASONS
from loaders.slices import SliceRefused, discover, read

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


def test_a_folder_gives_up_only_what_is_or_looks_like_a_slice(tmp_path: Path) -> None:
    write_slice(tmp_path, 0, DATA)
    (tmp_path / "part.json").write_bytes(DATA)
    write_gzip(tmp_path / "part.json.gz", DATA)
    (tmp_path / "challenge_set.json").write_bytes(encoded({"date": "", "version": "v1", "playlists": []}))
    (tmp_path / "stats.json").write_bytes(b'{"playlists": 1000}')
    (tmp_path / "broken.json.gz").write_bytes(b"\x1f\x8b\x08 not gzip at all")
    (tmp_path / "._mpd.slice.0-999.json").write_bytes(DATA)
    (tmp_path / "mpd.slice.0-999.json.txt").write_bytes(DATA)
    (tmp_path / "mpd.slice.5-6.json").mkdir()

    assert sorted(names_in(tmp_path)) == ["challenge_set.json", "mpd.slice.0-999.json", "part.json", "part.json.gz"]


def test_an_archive_gives_up_only_what_is_or_looks_like_a_slice(tmp_path: Path) -> None:
    members = {
        "data/mpd.slice.2000-2999.json": DATA,
        MEMBER: DATA,
        "part.json": DATA,
        "src/stats.json": b"{}",
        "__MACOSX/data/._mpd.slice.0-999.json": b"resource fork",
        "license.txt": b"",
    }

    assert names_in(write_zip(tmp_path / "mpd.zip", members)) == ["part.json", MEMBER, "data/mpd.slice.2000-2999.json"]


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
    "zip of others": ("mpd.zip", lambda path: write_zip(path, {"a.json": b"{}", "notes.txt": DATA}), "no_slices"),
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

    found = {source.path.name: source.refusal for source in discover([tmp_path])}

    assert found.pop(sound.name) is None
    [refusal] = found.values()
    assert refusal is not None
    assert refusal.reason == "unreadable"


def test_a_link_of_the_name_of_a_slice_that_leads_nowhere_is_said(tmp_path: Path) -> None:
    sound = write_slice(tmp_path, 0, slice_of([playlist(0)]))
    (tmp_path / "mpd.slice.1000-1999.json").symlink_to("unmounted/mpd.slice.1000-1999.json")
    (tmp_path / "notes.json").symlink_to("unmounted/notes.json")

    one, other = discover([tmp_path])

    assert (one.path, one.refusal) == (sound, None)
    assert other.path == tmp_path / "mpd.slice.1000-1999.json"
    assert other.refusal is not None
    assert other.refusal.reason == "absent"


def test_folders_behind_links_are_searched_once_and_circles_end(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "elsewhere", 0, slice_of([playlist(0)]))
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / name).symlink_to(path.parent)
    (path.parent / "back").symlink_to(folder)

    assert [source.path for source in discover([folder])] == [path.resolve()]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_members_of_one_name_the_last_is_what_the_archive_holds(tmp_path: Path) -> None:
    path = tmp_path / "mpd.zip"
    fingerprints = []
    for version in (slice_of([playlist(0)]), slice_of([playlist(0, name="other")])):
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("mpd.slice.0-999.json", version)
        [source] = discover([path])
        assert read(source) == version
        fingerprints.append(source.fingerprint)
    assert len(set(fingerprints)) == 2
