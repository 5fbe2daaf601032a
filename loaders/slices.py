"""Find slices wherever they are kept, and read them: files, folders, gzip, and zip archives without unpacking."""

import gzip
import io
import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# Thirty times an official slice. One slice is held in memory, so a decompression bomb must end somewhere.
MAX_SLICE_BYTES = 1 << 30

_HEAD_BYTES = 4096
_GZIP_MAGIC = b"\x1f\x8b"
_ZIP_MAGIC = b"PK\x03\x04"
_SLICE_NAME = re.compile(r"mpd\.slice\.(\d+)-\d+\.json(?:\.gz)?")
_JSON_SUFFIXES = (".json", ".json.gz")
_PLAYLISTS_ARRAY = re.compile(rb'"playlists"\s*:\s*\[')


class LoadError(Exception):
    """Base of what this package raises on purpose."""


class SourceError(LoadError):
    """A path given to the loader holds nothing that it could load."""


class SliceRefused(LoadError):
    """A slice as a whole cannot land.

    Attributes:
        reason: Code from `loaders.schema.SLICE_REASONS`.
        detail: What was found, for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class SliceSource:
    """Where one slice is kept.

    Attributes:
        path: Absolute path of the slice, or of the archive that holds it.
        member: Name inside the archive; None for a plain file.
        fingerprint: What a look tells without reading: size and modification time, or size and CRC in an archive.
    """

    path: Path
    member: str | None
    fingerprint: str

    @property
    def source(self) -> str:
        """The path as text that PostgreSQL can store, whatever bytes the file system allows."""
        return os.fsencode(self.path).decode("utf-8", "backslashreplace")

    def __str__(self) -> str:
        return self.source if self.member is None else f"{self.source}!{self.member}"


def discover(paths: Iterable[str | Path]) -> list[SliceSource]:
    """Find the slices below some paths, in the order of the paths, and of the first pid within each.

    Args:
        paths: Slice files (`.json`, `.json.gz`), folders searched with everything below them, or zip archives.
            A file is taken whatever its name. In folders and archives those named `mpd.slice.<first>-<last>.json`
            are, and other JSON files only if they start like a slice.

    Returns:
        Each slice once, even where paths overlap.

    Raises:
        SourceError: A path does not exist, cannot be listed, or holds no slice.
    """
    found: dict[tuple[Path, str | None], SliceSource] = {}
    for path in paths:
        for source in _sources_at(Path(path)):
            found.setdefault((source.path, source.member), source)
    return list(found.values())


def read(source: SliceSource) -> bytes:
    """Read the JSON of a slice, uncompressed.

    Raises:
        SliceRefused: The bytes cannot be had: unreadable, corrupt, encrypted, an archive in an archive, or larger
            than `MAX_SLICE_BYTES`.
    """
    data = _read_file(source.path) if source.member is None else _read_member(source.path, source.member)
    if data.startswith(_GZIP_MAGIC):
        data = _decompress(data)
    if data.startswith(_ZIP_MAGIC):
        raise SliceRefused("nested_archive", "it is a zip archive inside another; unpack the outer one and load that")
    return data


def _sources_at(path: Path) -> list[SliceSource]:
    resolved = path.resolve()
    try:
        if resolved.is_dir():
            found = _in_folder(resolved)
        elif not resolved.is_file():
            problem = "is not a file or a folder" if resolved.exists() else "does not exist"
            raise SourceError(f"{path} {problem}; name a slice, a folder of slices, or the zip of the dataset")
        elif _is_zip(resolved):
            found = _in_archive(resolved)
        else:
            found = [_file_source(resolved)]
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}; check its permissions") from error
    except (zipfile.BadZipFile, zlib.error, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is not a whole zip archive ({error}); copy or download it again") from error
    if not found:
        raise SourceError(f"{path} holds no slices; they are called mpd.slice.<first>-<last>.json, or .json.gz")
    return found


def _is_zip(path: Path) -> bool:
    if path.suffix.lower() == ".zip":
        return True
    with path.open("rb") as file:
        return file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC


def _file_source(path: Path) -> SliceSource:
    stat = path.stat()
    return SliceSource(path, None, f"{stat.st_size}:{stat.st_mtime_ns}")


def _in_folder(folder: Path) -> list[SliceSource]:
    paths = sorted(filter(_could_be_slice, _files_below(folder)), key=lambda path: _by_first_pid(path.as_posix()))
    return [_file_source(path) for path in paths]


def _files_below(folder: Path) -> Iterator[Path]:
    def stop(error: OSError) -> None:
        raise error

    for parent, _, names in os.walk(folder, onerror=stop):
        yield from (Path(parent) / name for name in names)


def _could_be_slice(path: Path) -> bool:
    if not _has_json_name(path.name) or not path.is_file():
        return False
    if _SLICE_NAME.fullmatch(path.name):
        return True
    with path.open("rb") as file:
        return _starts_like_slice(file)


def _in_archive(path: Path) -> list[SliceSource]:
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if _could_be_member(archive, info)]
        members.sort(key=lambda info: _by_first_pid(info.filename))
        return [SliceSource(path, info.filename, f"{info.file_size}:{info.CRC:08x}") for info in members]


def _could_be_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    name = info.filename.rpartition("/")[2]
    # An archive inside is listed so that reading it can say what to do, instead of passing over it in silence.
    if name.lower().endswith(".zip"):
        return True
    if not _has_json_name(name):
        return False
    if _SLICE_NAME.fullmatch(name):
        return True
    if _is_encrypted(info):
        return False
    try:
        with archive.open(info) as file:
            return _starts_like_slice(file)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        return False


def _has_json_name(name: str) -> bool:
    # Names with a leading dot are what macOS adds beside each file of an archive.
    return name.endswith(_JSON_SUFFIXES) and not name.startswith(".")


def _is_encrypted(info: zipfile.ZipInfo) -> bool:
    return bool(info.flag_bits & 1)


def _by_first_pid(name: str) -> tuple[int, str]:
    match = _SLICE_NAME.fullmatch(name.rpartition("/")[2])
    return (int(match[1]) if match else -1, name)


def _starts_like_slice(file: IO[bytes]) -> bool:
    head = file.read(_HEAD_BYTES)
    if head.startswith(_GZIP_MAGIC):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, _HEAD_BYTES)
        except zlib.error:
            return False
    return _PLAYLISTS_ARRAY.search(head) is not None


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return _read_limited(file)
    except OSError as error:
        raise SliceRefused("unreadable", f"{error.strerror or error}") from error


def _read_member(path: Path, member: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(member)
            if _is_encrypted(info):
                raise SliceRefused("encrypted", "the archive asks for a password; unpack it and load the folder")
            with archive.open(info) as file:
                data = _read_limited(file)
    except OSError as error:
        raise SliceRefused("unreadable", f"{error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError) as error:
        raise SliceRefused("corrupt_archive", f"{error or 'the archive ends in the middle of it'}") from error
    if len(data) != info.file_size:
        raise SliceRefused("corrupt_archive", f"{len(data)} bytes came out where {info.file_size} were announced")
    return data


def _decompress(data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            return _read_limited(file)
    except (OSError, EOFError, zlib.error) as error:
        raise SliceRefused("corrupt_archive", f"{error}") from error


def _read_limited(file: IO[bytes] | gzip.GzipFile) -> bytes:
    data = file.read(MAX_SLICE_BYTES + 1)
    if len(data) > MAX_SLICE_BYTES:
        raise SliceRefused(
            "too_large", f"more than {MAX_SLICE_BYTES} bytes; a slice of 1,000 playlists has about 33 MB"
        )
    return data
