"""A dataset whose right answer is known by construction: 31 playlists that hold every trap of the format.

Tracks have one-letter names, so that a playlist reads as a word; a capital is an entry of the same track that says
something else of it. What the marts must say stands below the playlists as literals that were worked out by hand, never
by the code under test.
"""

import json
from pathlib import Path
from typing import Any

ARTISTS = {"X": "Xenia", "Y": "Yarrow", "Z": "Zed", "H": "Zed", "E": "Ænima 🎸", "Q": 'Quiet \\ "Quoted"'}
ARTISTS |= {"M": "Mora", "N": "NORA", "O": "Oslo", "P": "Pop &amp; Co", "R": "Rest"}
ALBUMS = {"1": "First", "2": "Soundtrack", "3": "Third &amp; Last", "4": "4", "5": " Blank "}
ALBUMS |= {"6": "Six", "7": "Seven", "8": "Eight", "9": "Nine"}

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
    "i": ("Intro", "6", "M", 120_000),
    "j": ("Jig (Live)", "6", "M", 100_000),
    "k": ("Kyrie", "7", "M", 80_000),
    "l": ("Lied", "6", "M", 59_999),
    "m": ("Motet", "6", "N", 40_000),
    "n": ("Nocturne", "7", "N", 70_000),
    "o": ("Ode", "8", "O", 1_000),
    "p": ("Polka", "8", "O", 2_000),
    "q": ("Quartet", "8", "O", 0),
    "r": ("Rondo", "9", "P", 10_000),
    "s": ("Suite", "9", "P", 20_000),
}

# What other entries of a track say of it. The marts show what most entries say; among equals a capital comes before its
# small letter, and the shorter duration first.
CONFLICTS: dict[str, dict[str, Any]] = {
    "I": {"track_name": "intro"},  # as often as Intro
    "J": {"track_name": "Jig"},  # less often than Jig (Live), although it comes first
    "K": {"album": "6"},
    "L": {"duration_ms": 60_000},
    "M": {"artist": "M"},
    "N": {"album_name": "seven", "artist_name": "Nora"},  # each as often as Seven and NORA
    "S": {"album_name": "NINE"},  # less often than Nine, although it comes first
}
# Only earlier versions of playlists have this track; it must be nowhere, nor its artist.
GONE = {"t": ("Tango", "9", "R", 30_000)}

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
    20: ("ties", "iI", 3, 2, "false", None, {}),
    21: ("TIES", "jjJ", 1, 2, "false", None, {}),
    22: ("Ties ", "kkK", 4, 2, "false", None, {}),
    23: ("ties!", "lL", 1, 2, "false", None, {}),
    24: ("tïes", "mmM", 6, 2, "false", None, {}),
    25: ("as many as the rules allow", "o" * 250, 9, 2, "false", None, {}),
    26: ("and one more", "op" * 125 + "o", 1, 2, "false", None, {}),
    27: ("Rock &amp; Roll 🎸🏽", "nNNNN", 2, 2, "false", None, {}),
    28: ("CHILL", "n", 1, 2, "false", None, {}),
    29: (" ", "q", 1, 2, "false", " ", {}),
    30: ("9999", "qq", 2, 2, "false", None, {}),
    31: ("2010", "o", 1, 2, "false", None, {}),
    32: ("2017", "p", 1, 2, "false", None, {}),
    33: (
        "All wrong",
        "rs",
        1,
        2,
        "false",
        None,
        {"num_tracks": 0, "num_albums": 7, "num_artists": 0, "duration_ms": 0},
    ),
    34: ("New title", "r", 50, 4, "false", None, {}),
    35: ("Growing", "SSSSS", 4, 3, "false", None, {}),
    36: ("Unchanged", "r", 1, 2, "false", None, {}),
    40: ("four", "rsrs", 1, 2, "true", None, {}),
}

# pid: its earlier versions, the oldest first, in the same form, and their measures
EARLIER: dict[int, list[tuple[tuple[str, str, int, int, Any, str | None, dict[str, int]], tuple[int, ...]]]] = {
    34: [(("Old title", "rt", 2, 3, "false", None, {}), (2, 2, 1, 2, 40_000))],
    35: [
        (("Growing", "t", 1, 1, "false", None, {}), (1, 1, 1, 1, 30_000)),
        (("Growing", "ts", 5, 2, "false", "for a while", {}), (2, 2, 1, 2, 50_000)),
    ],
}

# pid: seconds since 1970, where the rule below does not hold: the first and last there can be, and those of the dataset
MODIFIED_AT = {29: 0, 30: 253_402_300_799, 31: 1_262_304_000, 32: 1_509_408_000}

# pid: what is the matter with a playlist that must not land
REJECTED: dict[int, dict[str, Any]] = {37: {"name": ""}, 38: {"num_followers": 0}}
LOADED = 1
"""The exit code of a command that loads the dataset: some of it was refused."""

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
    20: (2, 1, 1, 1, 240_000),
    21: (3, 1, 1, 1, 300_000),
    22: (3, 1, 2, 1, 240_000),
    23: (2, 1, 1, 1, 119_999),
    24: (3, 1, 1, 2, 120_000),
    25: (250, 1, 1, 1, 250_000),
    26: (251, 2, 1, 1, 376_000),
    27: (5, 1, 1, 1, 350_000),
    28: (1, 1, 1, 1, 70_000),
    29: (1, 1, 1, 1, 0),
    30: (2, 1, 1, 1, 0),
    31: (1, 1, 1, 1, 1_000),
    32: (1, 1, 1, 1, 2_000),
    33: (2, 2, 1, 1, 30_000),
    34: (1, 1, 1, 1, 10_000),
    35: (5, 1, 1, 1, 100_000),
    36: (1, 1, 1, 1, 10_000),
    40: (4, 2, 1, 1, 60_000),
}

# artist: playlists, rows, distinct tracks, followers of those playlists, their median
PRESENCE = {
    "X": (8, 22, 2, (1, 1, 1, 1, 5, 2, 1, 12), 1),
    "Y": (8, 11, 2, (1, 2, 40, 3, 1, 2, 1, 12), 2),
    "Z": (6, 7, 1, (1, 2, 1, 1, 1, 12), 1),
    "E": (5, 5, 1, (1, 2, 1, 1, 2), 1),
    "H": (4, 4, 1, (2, 3, 1, 1), 1.5),
    "Q": (3, 4, 1, (40, 1, 2), 2),
    "M": (5, 11, 5, (3, 1, 4, 1, 6), 3),
    "N": (3, 8, 2, (6, 2, 1), 2),
    "O": (6, 506, 3, (9, 1, 1, 2, 1, 1), 1),
    "P": (5, 13, 2, (1, 50, 4, 1, 1), 1),
}

# album: distinct tracks, distinct artists, rows
ALBUM_CONTENTS = {
    "1": (2, 1, 22),
    "2": (3, 3, 19),
    "3": (1, 1, 4),
    "4": (1, 1, 4),
    "5": (1, 1, 4),
    "6": (5, 2, 11),
    "7": (2, 2, 8),
    "8": (3, 1, 506),
    "9": (2, 1, 13),
}

# track: rows over all playlists
TRACK_ROWS = {"a": 14, "b": 8, "c": 7, "d": 7, "e": 5, "f": 4, "g": 4, "h": 4}
TRACK_ROWS |= {"i": 2, "j": 3, "k": 3, "l": 2, "m": 3, "n": 6, "o": 377, "p": 126, "q": 3, "r": 5, "s": 8}

OVERVIEW = {
    "slices_landed": 4,
    "slices_refused": 0,
    "playlists": 31,
    "playlists_rejected": 2,
    "synthetic_playlists": 0,
    "playlists_predicted": 31,
    "collaborative_playlists": 4,
    "track_rows": 591,
    "tracks": 19,
    "albums": 9,
    "artists": 10,
    "artists_clustered": 10,
    "avg_followers": 161 / 31,
    "median_followers": 1,
}

# artist: rank by playlists, ninths of the other artists with fewer playlists, and with fewer followers on average
RANKS = {
    "X": (1, 8, 3),
    "Y": (1, 8, 7),
    "Z": (3, 6, 3),
    "E": (5, 3, 0),
    "H": (8, 2, 1),
    "Q": (9, 0, 9),
    "M": (5, 3, 3),
    "N": (9, 0, 3),
    "O": (3, 6, 2),
    "P": (5, 3, 8),
}


# rule: rows that break it
BROKEN_RULES = {
    "name_is_not_empty": 1,
    "collaborative_is_a_string": 2,
    "modified_at_in_time": 2,
    "modified_at_is_midnight": 1,
    "num_tracks_is_right": 2,
    "num_albums_is_right": 2,
    "num_artists_is_right": 2,
    "duration_ms_is_right": 2,
    "length_is_official": 24,
    "artists_are_at_least_3": 25,
    "albums_are_at_least_2": 22,
    "num_followers_at_least_1": 1,
    "tracks_are_not_repeated": 14,
    "playlist_is_no_duplicate": 2,
    "track_has_one_name": 2,
    "track_has_one_artist": 1,
    "track_has_one_album": 1,
    "track_has_one_duration": 1,
    "album_has_one_name": 2,
    "album_has_one_artist": 3,
    "artist_has_one_name": 1,
}


def uri(kind: str, letter: str) -> str:
    """Return a URI of 22 base-62 characters for a one-letter entity; upper and lower case differ, as in real ones."""
    return f"spotify:{kind}:{letter:0>22}"


def playlist(pid: int) -> dict[str, Any]:
    """Return a playlist, in its last version, as an object in the form of the dataset."""
    return _version(pid, -1)


def _version(pid: int, number: int) -> dict[str, Any]:
    content, measures = [*EARLIER.get(pid, []), (PLAYLISTS[pid], MEASURES[pid])][number]
    title, letters, followers, edits, collaborative, description, declared = content
    num_tracks, _, num_albums, num_artists, duration_ms = measures
    return {
        "name": title,
        "collaborative": collaborative,
        "pid": pid,
        "modified_at": MODIFIED_AT.get(pid, 1_493_424_000 + 86_400 * (pid % 20)),
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


def _track(pos: int, letter: str) -> dict[str, Any]:
    name, album, artist, duration_ms = (TRACKS | GONE)[letter.lower()]
    conflict = dict(CONFLICTS.get(letter, {}))
    album, artist = conflict.pop("album", album), conflict.pop("artist", artist)
    return {
        "pos": pos,
        "artist_name": ARTISTS[artist],
        "track_uri": uri("track", letter.lower()),
        "artist_uri": uri("artist", artist),
        "track_name": name,
        "album_uri": uri("album", album),
        "duration_ms": duration_ms,
        "album_name": ALBUMS[album],
        **conflict,
    }


def write(folder: Path) -> None:
    """Write the dataset as slices.

    The first has every playlist, some in an earlier version. The second has none, as real copies do. The third and
    fourth bring later versions, the third a playlist that has not changed as well, and the fifth is a copy of the
    fourth.
    """
    first = [_version(pid, 0) for pid in PLAYLISTS]
    rejected = [{**first[0], "pid": pid, **fault} for pid, fault in REJECTED.items()]
    slices = {
        "0-999": [*first[:5], *rejected, *first[5:]],
        "1000-1999": [],
        "2000-2999": [_version(34, 1), _version(36, 0), _version(35, 1)],
        "3000-3999": [_version(35, 2)],
        "4000-4999": [_version(35, 2)],
    }
    info = {"generated_on": "2017-12-03 08:41:42.057563", "version": "v1"}
    folder.mkdir(parents=True, exist_ok=True)
    for name, playlists in slices.items():
        # The same bytes are the same slice, whatever its file is called.
        content = {"info": {**info, "slice": name.replace("4000-4999", "3000-3999")}, "playlists": playlists}
        (folder / f"mpd.slice.{name}.json").write_text(json.dumps(content, indent=4), encoding="utf-8")
