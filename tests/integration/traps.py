"""Traps of the format, planted in made slices: what made playlists are too well-behaved to hold."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

TITLES = (
    'back\\slash "quoted"',
    "two\nlines\tand a tab",
    " blank ",
    "🎸 é \u2028 &amp; <b>",
    "O'Hara; drop -- %s {{ x }}",
)
NAMES = ("{}", "{} (Live)", "zulu {}", "Zulu {}", "_ {}", "Étude {}", " {}", "🎹 {}")
"""Names that stand in another order by code point than in a dictionary."""


def plant(path: Path) -> None:
    """Rewrite a slice: some playlists get titles, lengths or declarations to trip over, tracks other attributes."""
    slice_ = json.loads(path.read_bytes())
    for number, playlist in enumerate(slice_["playlists"]):
        if number % 10 == 1:
            playlist["name"] = TITLES[number % len(TITLES)]
        if number % 10 == 2:
            playlist["description"] = "" if number % 20 == 2 else TITLES[number % len(TITLES)]
        if number % 10 == 3:
            playlist["collaborative"] = number % 20 == 3
        if number % 10 == 4:
            playlist["tracks"] = playlist["tracks"][:1]
        if number % 100 == 5:
            playlist["tracks"] = (playlist["tracks"] * 60)[:300]
        if number % 10 == 6:
            # Only the first: what the tracks hold is counted, whatever the playlist declares.
            playlist |= {"num_tracks": 0, "num_albums": 999, "num_artists": 999, "duration_ms": 1}
        else:
            playlist |= {
                "num_tracks": len(playlist["tracks"]),
                "num_albums": len({track["album_uri"] for track in playlist["tracks"]}),
                "num_artists": len({track["artist_uri"] for track in playlist["tracks"]}),
                "duration_ms": sum(track["duration_ms"] for track in playlist["tracks"]),
            }
        playlist["tracks"] = list(_disguised(playlist["tracks"], number))
    path.write_text(json.dumps(slice_, indent=4), encoding="utf-8")


def _disguised(tracks: list[Json], number: int) -> Iterator[Json]:
    """Change one attribute of two tracks in three, so that one URI has many names, durations, albums and artists."""
    for pos, track in enumerate(tracks):
        other = tracks[(pos + number) % len(tracks)]
        disguise = NAMES[(pos * 7 + number) % len(NAMES)]
        changes: list[Json] = [
            {"track_name": disguise.format(track["track_name"])},
            {"album_name": disguise.format(track["album_name"])},
            {"artist_name": disguise.format(track["artist_name"])},
            # Two artists of one name.
            {"artist_name": other["artist_name"]},
            {"duration_ms": 0 if pos % 2 else track["duration_ms"] + 1},
            {"album_uri": other["album_uri"], "album_name": other["album_name"]},
            {"artist_uri": other["artist_uri"], "artist_name": other["artist_name"]},
        ]
        change = (pos + 3 * number) % (len(changes) * 3 // 2)
        yield track | {"pos": pos} | (changes[change] if change < len(changes) else {})
