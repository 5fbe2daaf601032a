"""A dataset whose right answer is known by construction: thirteen playlists that hold every trap of the format.

Tracks have one-letter names, so that a playlist reads as a word. What the marts must say of it stands below the
playlists as literals that were worked out by hand, never by the code under test.
"""

import json
from pathlib import Path
from typing import Any

ARTISTS = {"X": "Xenia", "Y": "Yarrow", "Z": "Zed", "H": "Zed", "E": "Ænima 🎸", "Q": 'Quiet \\ "Quoted"'}
ALBUMS = {"1": "First", "2": "Soundtrack", "3": "Third &amp; Last", "4": "4", "5": " Blank "}

# track: name, album, artist, milliseconds. Album 2 is a soundtrack with three artists; Zed is two artists.
TRACKS = {
    "a": ("Aria", "1", "X", 100_000),
    "b": ("Ballad", "1", "X", 200_000),
    "c": ("Coda", "2", "Y", 300_000),
    "d": ("Duet", "2", "Z", 60_000),
    "e": ("Étude 🎹", "2", "E", 0),
    "f": ("Fugue", "3", "H", 90_000),
    "g": ("Gigue \t", "4", "Q", 240_000),
    "h": ("Hymn", "5", "Y", 30_000),
}

# pid: title, tracks, followers, edits, collaborative, description, what the JSON declares wrongly
PLAYLISTS: dict[int, tuple[str, str, int, int, Any, str | None, dict[str, int]]] = {
    0: ("Chill", "abcde", 1, 2, "false", None, {}),
    1: ("chill 🌴", "aaaaaaab", 1, 3, "false", None, {}),
    2: (" Rock ", "cdef", 2, 4, "true", 'with a "description"\nof two lines', {}),
    3: ("<script>alert(1)</script>", "ghgh", 40, 21, "false", "&lt;b&gt;", {}),
    4: ("Declares too much", "ab", 1, 2, "false", None, {"num_tracks": 3, "num_artists": 9}),
    5: ("A boolean", "cf", 3, 5, True, None, {}),
    6: ("Another boolean", "hgfedcba", 1, 6, False, None, {"duration_ms": 1}),
    7: ("☃", "d", 1, 7, "false", "", {}),
    999998: ("Xs", "ab", 5, 8, "false", None, {}),
    999999: ("last", "e", 1, 9, "false", None, {}),
    10: ("ten", "aceg", 2, 10, "true", None, {}),
    11: ("eleven", "bdfh", 1, 11, "false", None, {}),
    12: ("twelve", "aabbccdd", 12, 12, "false", None, {"num_albums": 5}),
}

# pid: tracks, distinct tracks, albums, artists, milliseconds
MEASURES = {
    0: (5, 5, 2, 4, 660_000),
    1: (8, 2, 1, 1, 900_000),
    2: (4, 4, 2, 4, 450_000),
    3: (4, 2, 2, 2, 540_000),
    4: (2, 2, 1, 1, 300_000),
    5: (2, 2, 2, 2, 390_000),
    6: (8, 8, 5, 6, 1_020_000),
    7: (1, 1, 1, 1, 60_000),
    999998: (2, 2, 1, 1, 300_000),
    999999: (1, 1, 1, 1, 0),
    10: (4, 4, 3, 4, 640_000),
    11: (4, 4, 4, 4, 380_000),
    12: (8, 4, 2, 3, 1_320_000),
}

# artist: playlists, rows, distinct tracks, followers of those playlists
PRESENCE = {
    "X": (8, 22, 2, (1, 1, 1, 1, 5, 2, 1, 12)),
    "Y": (8, 11, 2, (1, 2, 40, 3, 1, 2, 1, 12)),
    "Z": (6, 7, 1, (1, 2, 1, 1, 1, 12)),
    "E": (5, 5, 1, (1, 2, 1, 1, 2)),
    "H": (4, 4, 1, (2, 3, 1, 1)),
    "Q": (3, 4, 1, (40, 1, 2)),
}

# album: distinct tracks, distinct artists, rows
ALBUM_CONTENTS = {"1": (2, 1, 22), "2": (3, 3, 19), "3": (1, 1, 4), "4": (1, 1, 4), "5": (1, 1, 4)}

# track: rows over all playlists
TRACK_ROWS = {"a": 14, "b": 8, "c": 7, "d": 7, "e": 5, "f": 4, "g": 4, "h": 4}


# rule: rows that break it
BROKEN_RULES = {
    "collaborative_is_a_string": 2,
    "num_tracks_is_right": 1,
    "num_albums_is_right": 1,
    "num_artists_is_right": 1,
    "duration_ms_is_right": 1,
    "length_is_official": 9,
    "artists_are_at_least_3": 7,
    "albums_are_at_least_2": 5,
    "tracks_are_not_repeated": 3,
    "playlist_is_no_duplicate": 1,
    "album_has_one_artist": 1,
}


def uri(kind: str, letter: str) -> str:
    """Return a URI of 22 base-62 characters for a one-letter entity; upper and lower case differ, as in real ones."""
    return f"spotify:{kind}:{letter:0>22}"


def playlist(pid: int) -> dict[str, Any]:
    """Return a playlist object in the form of the dataset."""
    title, letters, followers, edits, collaborative, description, declared = PLAYLISTS[pid]
    num_tracks, _, num_albums, num_artists, duration_ms = MEASURES[pid]
    return {
        "name": title,
        "collaborative": collaborative,
        "pid": pid,
        "modified_at": 1_493_424_000 + 86_400 * (pid % 20),
        "num_tracks": num_tracks,
        "num_albums": num_albums,
        "num_artists": num_artists,
        "num_followers": followers,
        "num_edits": edits,
        "duration_ms": duration_ms,
        "tracks": [_track(pos, letter) for pos, letter in enumerate(letters)],
        **({"description": description} if description is not None else {}),
        **declared,
    }


def write(folder: Path) -> None:
    """Write the dataset as two slices, the second of them without a single playlist, as real copies have."""
    info = {"generated_on": "2017-12-03 08:41:42.057563", "slice": "0-999", "version": "v1"}
    folder.mkdir(parents=True, exist_ok=True)
    for name, pids in (("0-999", list(PLAYLISTS)), ("1000-1999", [])):
        content = {"info": {**info, "slice": name}, "playlists": [playlist(pid) for pid in pids]}
        text = json.dumps(content, indent=4)
        (folder / f"mpd.slice.{name}.json").write_text(text, encoding="utf-8")


def _track(pos: int, letter: str) -> dict[str, Any]:
    name, album, artist, duration_ms = TRACKS[letter]
    return {
        "pos": pos,
        "artist_name": ARTISTS[artist],
        "track_uri": uri("track", letter),
        "artist_uri": uri("artist", artist),
        "track_name": name,
        "album_uri": uri("album", album),
        "duration_ms": duration_ms,
        "album_name": ALBUMS[album],
    }
