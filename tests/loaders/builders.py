"""Small slices in the official form, made up."""

import errno
import gzip
import io
import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import pytest

Json = dict[str, object]

INFO: Json = {"generated_on": "2017-12-03 08:41:42.057563", "slice": "0-999", "version": "v1"}


def uri(kind: str, number: int) -> str:
    return f"spotify:{kind}:{number:022d}"


def track(pos: int, number: int = 0, **changes: object) -> Json:
    return {
        "pos": pos,
        "artist_name": f"Artist {number}",
        "track_uri": uri("track", number),
        "artist_uri": uri("artist", number),
        "track_name": f"Track {number}",
        "album_uri": uri("album", number),
        "duration_ms": 200_000 + number,
        "album_name": f"Album {number}",
    } | changes


def playlist(pid: int = 0, length: int = 5, **changes: object) -> Json:
    return {
        "name": f"Playlist {pid}",
        "collaborative": "false",
        "pid": pid,
        "modified_at": 1_493_424_000,
        "num_tracks": length,
        "num_albums": length,
        "num_followers": 1,
        "tracks": [track(pos, pid + pos) for pos in range(length)],
        "num_edits": 2,
        "duration_ms": length * 200_000,
        "num_artists": length,
    } | changes


def without(document: Mapping[str, object], field: str) -> Json:
    return {name: value for name, value in document.items() if name != field}


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def slice_of(playlists: Iterable[object]) -> bytes:
    return json.dumps({"info": INFO, "playlists": list(playlists)}, indent=4).encode()


def slice_of_raw(playlists: Iterable[bytes]) -> bytes:
    """A slice whose playlists stand in it byte for byte, JSON or not."""
    return b'{"info": ' + encoded(INFO) + b', "playlists": [\n' + b",\n".join(playlists) + b"\n]}"


def write_slice(folder: Path, first: int, data: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"mpd.slice.{first}-{first + 999}.json"
    path.write_bytes(data)
    return path


def zip_of(members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", compression) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return file.getvalue()


def write_zip(path: Path, members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    path.write_bytes(zip_of(members, compression))
    return path


def write_gzip(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data, mtime=0))
    return path


def forbid(patch: pytest.MonkeyPatch, *forbidden: Path) -> None:
    """Refuse to open or list some paths, as the system does to users without the right; root always has it."""
    opened, listed = Path.open, os.scandir

    def refuse(path: Path) -> None:
        if path in forbidden:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def open_file(path: Path, *args: Any, **options: Any) -> IO[Any]:
        refuse(path)
        return opened(path, *args, **options)

    def list_folder(path: str) -> "os._ScandirIterator[str]":
        refuse(Path(path))
        return listed(path)

    patch.setattr(Path, "open", open_file)
    patch.setattr(os, "scandir", list_folder)
