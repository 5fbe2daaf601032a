"""Find slices wherever they are kept, and read them: files, folders, gzip, and zip archives without unpacking."""

import errno
import gzip
import io
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# Thirty times an official slice. One slice is held in memory, so a decompression bomb must end somewhere.
MAX_SLICE_BYTES = 1 << 30

_GZIP_MAGIC = b"\x1f\x8b"
_ZIP_MAGIC = b"PK\x03\x04"
_SLICE_NAME = re.compile(r"mpd\.slice\.(\d+)-\d+\.json(?:\.gz)?", re.IGNORECASE)
_JSON_SUFFIXES = (".json", ".json.gz")
# What reading damaged archives raises; ValueError comes of text that is not UTF-8, and of places before the start.
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError, struct.error)


class LoadError(Exception):
    """Base of what this package raises on purpose."""


class SliceRefused(LoadError):
    """A slice as a whole cannot land.

    Attributes:
        reason: Code from `loaders.schema.SLICE_REASONS`.
        detail: What was found, for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


@dataclass(frozen=True)
class SliceSource:
    """Where one slice is kept.

    Attributes:
        path: Absolute path of the slice, or of the archive that holds it.
        member: Name inside the archive; None for a plain file.
        fingerprint: What a look tells without reading: size and modification time, or size and CRC in an archive; None
            where there is nothing to look at.
        refusal: Why it cannot be loaded, where that is known without reading it.
    """

    path: Path
    member: str | None
    fingerprint: str | None
    refusal: SliceRefused | None = None

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
            A file is taken whatever its name. In folders and archives, those that are called `.json` or `.json.gz`
            are; reading says what is wrong with one that is no slice.

    Returns:
        Each slice once, even where paths overlap. A path that does not exist, cannot be listed or holds no slice is
        there itself, with its `refusal`. So is a member of an archive that another one of its name follows; its name
        then ends with `#` and a number.
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
    if source.refusal is not None:
        raise source.refusal
    data = _read_file(source.path) if source.member is None else _read_member(source.path, source.member)
    if data.startswith(_GZIP_MAGIC):
        data = _decompress(data)
    if data.startswith(_ZIP_MAGIC):
        raise SliceRefused("nested_archive", "it is a zip archive inside another; unpack the outer one and load that")
    return data


def _sources_at(path: Path) -> list[SliceSource]:
    try:
        return _usable_sources_at(path)
    except SliceRefused as refusal:
        return [SliceSource(path.absolute(), None, None, refusal)]


def _usable_sources_at(path: Path) -> list[SliceSource]:
    try:
        resolved = path.resolve()
        if resolved.is_dir():
            found = _in_folder(resolved)
        elif not resolved.is_file():
            problem = "neither a file nor a folder" if resolved.exists() else "no such file or folder"
            raise SliceRefused("absent", f"{problem}; name a slice, a folder of slices, or the zip of the dataset")
        elif _is_zip(resolved):
            found = _in_archive(resolved)
        else:
            found = [_file_source(resolved)]
    # Among these is one that is a RuntimeError too.
    except (OSError, *_DAMAGE) as error:
        if not _is_damage(error):
            raise SliceRefused("unreadable", f"{_message(error)}; check its permissions") from error
        raise SliceRefused(
            "corrupt_archive", f"not a whole zip archive ({error}); copy or download it again"
        ) from error
    except RuntimeError as error:
        raise SliceRefused("absent", "symbolic links lead in a circle") from error
    if not found:
        raise SliceRefused(
            "no_slices", "nothing in it is called .json or .json.gz; an archive in a folder must be named itself"
        )
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
    found: list[SliceSource] = []
    seen: set[Path] = set()

    def refuse(error: OSError, path: Path) -> None:
        if path == folder:
            raise error
        # What was moved away since its name was read is not there.
        if not isinstance(error, FileNotFoundError):
            refusal = SliceRefused("unreadable", f"{error.strerror or error}; check its permissions")
            found.append(SliceSource(path, None, None, refusal))

    for parent, folders, names in os.walk(
        folder, onerror=lambda error: refuse(error, Path(error.filename)), followlinks=True
    ):
        # Links may lead to a folder twice, or in a circle.
        if (here := Path(parent).resolve()) in seen:
            folders.clear()
            continue
        seen.add(here)
        for path in (Path(parent) / name for name in names):
            try:
                if not _has_json_name(path.name):
                    continue
                if path.is_symlink() and not path.exists():
                    refusal = SliceRefused("absent", "the symbolic link leads to nothing; put back what it names")
                    found.append(SliceSource(path, None, None, refusal))
                elif path.is_file():
                    found.append(_file_source(path.resolve()))
            except OSError as error:
                refuse(error, path)
    return sorted(found, key=lambda source: _by_first_pid(source.path.as_posix()))


def _in_archive(path: Path) -> list[SliceSource]:
    with zipfile.ZipFile(path) as archive:
        infos = [info for info in archive.infolist() if _could_be_slice(info)]
    by_name: dict[str, list[zipfile.ZipInfo]] = {}
    for info in infos:
        by_name.setdefault(info.filename, []).append(info)
    return [source for name in sorted(by_name, key=_by_first_pid) for source in _members(path, by_name[name])]


def _members(path: Path, infos: list[zipfile.ZipInfo]) -> Iterator[SliceSource]:
    """Give the last of the members of one name, which is what it stands for; and, refused, those of other content."""
    *earlier, last = [(info.filename, f"{info.file_size}:{info.CRC:08x}") for info in infos]
    for number, (name, fingerprint) in enumerate(earlier, start=1):
        if fingerprint != last[1]:
            refusal = SliceRefused(
                "repeated_member", "a later member of the same name counts; to load this one too, give it another name"
            )
            # No other member is called so: a name that is taken ends otherwise.
            yield SliceSource(path, f"{name}#{number}", fingerprint, refusal)
    yield SliceSource(path, *last)


def _could_be_slice(info: zipfile.ZipInfo) -> bool:
    name = info.filename.rpartition("/")[2]
    # An archive inside is listed so that reading it can say what to do, instead of passing over it in silence.
    return _has_json_name(name) or name.lower().endswith(".zip")


def _has_json_name(name: str) -> bool:
    # Names with a leading dot are what macOS adds beside each file of an archive.
    return name.lower().endswith(_JSON_SUFFIXES) and not name.startswith(".")


def _is_encrypted(info: zipfile.ZipInfo) -> bool:
    return bool(info.flag_bits & 1)


def _by_first_pid(name: str) -> tuple[int, str]:
    match = _SLICE_NAME.fullmatch(name.rpartition("/")[2])
    return (int(match[1]) if match else -1, name)


def _is_damage(error: Exception) -> bool:
    # The decoder of bz2 raises an OSError without a number; a place before the start is an invalid argument.
    return not isinstance(error, OSError) or error.errno in (None, errno.EINVAL)


def _message(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            _require_moderate(os.fstat(file.fileno()).st_size)
            return file.read()
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
    except KeyError as error:
        raise SliceRefused("corrupt_archive", f"{error}") from error
    except (OSError, *_DAMAGE) as error:
        if not _is_damage(error):
            raise SliceRefused("unreadable", _message(error)) from error
        raise SliceRefused("corrupt_archive", f"{error}" or "the archive ends in the middle of it") from error
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
    _require_moderate(len(data))
    return data


def _require_moderate(size: int) -> None:
    if size > MAX_SLICE_BYTES:
        raise SliceRefused(
            "too_large", f"more than {MAX_SLICE_BYTES} bytes; a slice of 1,000 playlists has about 33 MB"
        )
