"""Make playlists in the format of the Million Playlist Dataset, for those who have no copy at hand.

The data is seeded and has the shape, the traps and the published figures of the original; everything in it is invented.
It proves that the plumbing works, and says nothing about music: see docs/synthetic-data.md.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np

from loaders.slices import LoadError
from loaders.synthetic_catalogue import Tracks, spotify_ids, track_facts
from loaders.synthetic_names import Ints, album_names, artist_names, describe, track_names
from loaders.synthetic_playlists import LONGEST, SLICE, Playlists, sample_playlists, sample_tracks, the_catalogue

logger = logging.getLogger(__name__)

VERSION: Final = "synthetic-v1"
MOST_PLAYLISTS: Final = 1_000_000
_GENERATED_ON: Final = "2017-11-01 00:00:00.000000"
# Called so that no load takes it for a slice.
_MANIFEST: Final = "synthetic.manifest"

_POSITIONS = tuple(
    f'{"," * (pos > 0)}\n                {{\n                    "pos": {pos},\n' for pos in range(LONGEST)
)


class SyntheticDataError(LoadError):
    """Synthetic data cannot be made as asked; the message says what to change."""


def write_slices(out: Path, playlists: int, seed: int, *, progress: Callable[[int], None] | None = None) -> list[Path]:
    """Write made playlists as slices `mpd.slice.<first>-<last>.json`, 1,000 playlists each, about 33 MB.

    The same arguments give the same bytes, and a slice depends on nothing but the seed and its place: more playlists
    only add slices. A slice gets its name when it is complete. Slices that a manifest beside them
    (`synthetic.manifest`) knows to be right are left alone, so an interrupted call is taken up where it stopped, and a
    second one changes nothing; slices of an earlier call with other arguments are removed.

    Args:
        out: Folder, created if missing.
        playlists: 1 to 1,000,000; the last slice is short unless this is a multiple of 1,000.
        seed: 0 to 2**64 - 1.
        progress: Told after each slice how many playlists are complete so far.

    Returns:
        The paths of all slices, in the order of `pid`.

    Raises:
        SyntheticDataError: An argument is out of range, `out` is a file, or it holds slices that were not made here.
    """
    if not 1 <= playlists <= MOST_PLAYLISTS:
        raise SyntheticDataError(f"cannot make {playlists} playlists: ask for 1 to {MOST_PLAYLISTS:,}")
    if not 0 <= seed < 2**64:
        raise SyntheticDataError(f"cannot use seed {seed}: choose one from 0 to 2**64 - 1")
    if out.exists() and not out.is_dir():
        raise SyntheticDataError(f"{out} is a file: name a folder to write slices into")
    out.mkdir(parents=True, exist_ok=True)
    names = list(_slice_names(playlists))
    complete = _adopt(out, playlists, seed, names)
    for number, name in enumerate(names):
        count = min(SLICE, playlists - number * SLICE)
        if name not in complete or complete[name] != _stamp(out / name):
            _write_atomically(out / name, render_slice(seed, number, count))
            complete[name] = _stamp(out / name)
            _write_manifest(out, playlists, seed, complete)
            logger.info(
                "event=slice_made file=%s playlists=%d bytes=%d", out / name, count, (out / name).stat().st_size
            )
        if progress is not None:
            progress(number * SLICE + count)
    return [out / name for name in names]


def _slice_names(playlists: int) -> Iterator[str]:
    for first in range(0, playlists, SLICE):
        yield f"mpd.slice.{first}-{min(first + SLICE, playlists) - 1}.json"


def _adopt(out: Path, playlists: int, seed: int, names: list[str]) -> dict[str, Any]:
    """Make the folder ready, and return the stamps of those slices that are right already."""
    manifest = _read_manifest(out)
    ours = set(_slice_names(manifest["playlists"])) if manifest else set()
    foreign = sorted(path.name for path in out.glob("mpd.slice.*.json") if path.name not in ours)
    if foreign:
        raise SyntheticDataError(
            f"{out} holds slices that were not made here, such as {foreign[0]}: choose another folder, none was changed"
        )
    same = (manifest.get("version"), manifest.get("seed")) == (VERSION, seed)
    complete = {name: stamp for name, stamp in manifest.get("files", {}).items() if same and name in names}
    for name in ours.difference(complete):
        (out / name).unlink(missing_ok=True)
    if manifest.get("playlists") != playlists or not same:
        _write_manifest(out, playlists, seed, complete)
    return complete


def _read_manifest(out: Path) -> dict[str, Any]:
    path = out / _MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict) or not manifest.keys() >= {"version", "playlists", "seed", "files"}:
        raise SyntheticDataError(f"{path} is not what was written beside made slices: choose another folder")
    return manifest


def _write_manifest(out: Path, playlists: int, seed: int, complete: dict[str, Any]) -> None:
    manifest = {"version": VERSION, "playlists": playlists, "seed": seed, "files": complete}
    _write_atomically(out / _MANIFEST, json.dumps(manifest, indent=1).encode())


def _stamp(path: Path) -> list[int] | None:
    """Size and time of change: what tells cheaply that a file is as it was left."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _write_atomically(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def render_slice(seed: int, slice_number: int, count: int = SLICE) -> bytes:
    """Make the JSON of one slice, as `json.dumps(..., indent=4)` would write it.

    Args:
        seed: 0 to 2**64 - 1.
        slice_number: 0 to 999; the first `pid` is 1,000 times that.
        count: Playlists, at most 1,000; fewer are the first of the same slice.
    """
    playlists = sample_playlists(seed, slice_number)
    drawn = sample_tracks(playlists, seed, slice_number)
    track, row = np.unique(drawn[: int(playlists.length[:count].sum())], return_inverse=True)
    facts = track_facts(the_catalogue(), track)
    fragments = np.array(_track_fragments(facts), dtype=object)[row].tolist()
    headers = _playlist_frames(playlists, facts, row, seed, count)
    starts = np.concatenate([[0], np.cumsum(playlists.length[:count])]).tolist()
    parts = [_slice_opening(slice_number, count)]
    for number, (before, after) in enumerate(headers):
        rows = fragments[starts[number] : starts[number + 1]]
        parts.append(f"{',' * (number > 0)}{before}")
        parts.extend(chain.from_iterable(zip(_POSITIONS, rows, strict=False)))
        parts.append(after)
    parts.append("\n    ]\n}")
    return "".join(parts).encode("ascii")


def _slice_opening(slice_number: int, count: int) -> str:
    first = slice_number * SLICE
    info = {"generated_on": _GENERATED_ON, "slice": f"{first}-{first + count - 1}", "version": VERSION}
    return json.dumps({"info": info, "playlists": []}, indent=4).removesuffix("]\n}")


def _track_fragments(facts: Tracks) -> list[str]:
    """The JSON of each track, without its position."""
    return [
        f'                    "artist_name": "{artist_name}",\n'
        f'                    "track_uri": "spotify:track:{track_id}",\n'
        f'                    "artist_uri": "spotify:artist:{artist_id}",\n'
        f'                    "track_name": "{track_name}",\n'
        f'                    "album_uri": "spotify:album:{album_id}",\n'
        f'                    "duration_ms": {duration},\n'
        f'                    "album_name": "{album_name}"\n'
        "                }"
        for artist_name, track_id, artist_id, track_name, album_id, duration, album_name in zip(
            artist_names(facts.artist),
            spotify_ids(facts.track, 0),
            spotify_ids(facts.artist, 1),
            track_names(facts.track),
            spotify_ids(facts.album, 2),
            facts.duration_ms.tolist(),
            album_names(facts.album),
            strict=True,
        )
    ]


def _playlist_frames(
    playlists: Playlists, facts: Tracks, row: Ints, seed: int, count: int
) -> Iterator[tuple[str, str]]:
    """What stands before and after the tracks of each playlist."""
    playlist = np.repeat(np.arange(count), playlists.length[:count])
    albums = _distinct(playlist, facts.album[row], count)
    artists = _distinct(playlist, facts.artist[row], count)
    durations = np.bincount(playlist, weights=facts.duration_ms[row], minlength=count)
    for number in range(count):
        pid = int(playlists.pid[number])
        before: dict[str, Any] = {"name": playlists.name[number]}
        if playlists.described[number]:
            before["description"] = describe(pid, seed)
        before |= {
            "collaborative": "true" if playlists.collaborative[number] else "false",
            "pid": pid,
            "modified_at": int(playlists.modified_at[number]),
            "num_tracks": int(playlists.length[number]),
            "num_albums": int(albums[number]),
            "num_followers": int(playlists.followers[number]),
        }
        after = {
            "num_edits": int(playlists.edits[number]),
            "duration_ms": int(durations[number]),
            "num_artists": int(artists[number]),
        }
        yield (
            f'\n        {{\n{_fields(before)},\n            "tracks": [',
            f"\n            ],\n{_fields(after)}\n        }}",
        )


def _fields(values: dict[str, Any]) -> str:
    return ",\n".join(f'            "{key}": {json.dumps(value)}' for key, value in values.items())


def _distinct(group: Ints, member: Ints, groups: int) -> Ints:
    """How many different members each group has."""
    scale = int(member.max()) + 1
    return np.bincount(np.unique(group * scale + member) // scale, minlength=groups)
