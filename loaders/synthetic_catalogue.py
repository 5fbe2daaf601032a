"""Artists, albums and tracks of the made dataset: who is how popular, in which genre, and what they are called.

The catalogue is one and the same for every seed, so that data made with different seeds agrees on what a URI means.
Stored are a few numbers for each artist; tracks and albums are numbers whose popularity, name and URI are computed
when they are met.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from loaders.synthetic_names import GENRES, Floats, Ints, mix64, uniform

ARTISTS = 358_000
_TRACK_ROWS = 66_346_428
# Track rows of the five most popular artists, as published; then Zipf-Mandelbrot, fitted to 295,860 artists seen.
_TOP_ARTIST_ROWS = (847_160, 413_297, 353_624, 339_570, 316_603)
_ARTIST_EXPONENT, _ARTIST_SHIFT = 1.6103, 122.8
# Share of track rows that gives the five most popular tracks their published share of playlists.
_TOP_TRACK_ROWS = (0.000796, 0.000768, 0.000728, 0.000727, 0.000704)
_HIT_SHARE, _HIT_ROWS_MOST = 0.2, 0.00062
# Fitted to 2,262,292 tracks and 734,684 albums seen in a million playlists.
_TRACKS_SCALE = 2.35
_ALBUMS_PER_TRACK = 0.213
_ALBUM_SKEW = 2.0
_SECOND_GENRE_SHARE, _SECOND_GENRE_WEIGHT = 0.15, 0.3
_PLACED_ONE_BY_ONE = 4_000
_COMPILATION_ARTISTS = 40
_COMPILATION_SHARE = 0.02

EVERY_GENRE = len(GENRES)
_BASE62 = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", dtype=np.uint8)


@dataclass(frozen=True)
class Catalogue:
    """What is known of each artist, most popular first; arrays have one entry an artist unless said otherwise.

    Attributes:
        genre: Number of the home genre in `GENRES`.
        tracks: Number of tracks.
        hit: Probability that a row of the artist is the artist's hit, track 0.
        spread: Flattening of the popularity of the other tracks.
        first_track: Number of the artist's track 0; one entry more than artists.
        albums: Number of albums.
        first_album: Number of the artist's album 0; one entry more than artists.
        cumulative: For drawing: entry `i` of genre `g` covers `g + [cumulative[i-1], cumulative[i])`.
        entry_artist: The artist of each entry of `cumulative`.
    """

    genre: Ints
    tracks: Ints
    hit: Floats
    spread: Floats
    first_track: Ints
    albums: Ints
    first_album: Ints
    cumulative: Floats
    entry_artist: Ints

    def draw_artists(self, scope: Ints, draw: Floats) -> Ints:
        """Draw an artist for each row within a genre, or within all for `EVERY_GENRE`."""
        place = np.searchsorted(self.cumulative, scope + draw, side="right")
        return self.entry_artist[np.minimum(place, len(self.entry_artist) - 1)]

    def draw_tracks(self, artist: Ints, hit_draw: Floats, draw: Floats) -> Ints:
        """Draw a track for each row: the artist's hit, or another, the first of them more often."""
        start = 1.0 + self.spread[artist]
        others = self.tracks[artist] - 1
        position = start * ((start + others) / start) ** (draw * draw) - start
        other = 1 + np.minimum(position.astype(np.int64), others - 1)
        is_hit = (hit_draw < self.hit[artist]) | (others == 0)
        return self.first_track[artist] + np.where(is_hit, 0, other)


@dataclass(frozen=True)
class Tracks:
    """Facts of some tracks, one entry a track: the numbers of track, artist and album, and milliseconds."""

    track: Ints
    artist: Ints
    album: Ints
    duration_ms: Ints


def build_catalogue(share: Floats) -> Catalogue:
    """Build the catalogue for the share of track rows that each genre's playlists have."""
    number = np.arange(ARTISTS)
    rows = _artist_rows()
    genre, second = _artist_genres(rows, share)
    size = _TRACKS_SCALE * np.sqrt(_TRACK_ROWS * rows) * np.exp2(2 * uniform(number, 31) - 1)
    tracks = np.maximum(1, size).astype(np.int64)
    albums = 1 + (tracks * _ALBUMS_PER_TRACK).astype(np.int64)
    hit = np.minimum(_HIT_SHARE, _HIT_ROWS_MOST * (0.8 + 0.2 * uniform(number, 32)) / rows)
    hit[: len(_TOP_TRACK_ROWS)] = _TOP_TRACK_ROWS / rows[: len(_TOP_TRACK_ROWS)]
    cumulative, entry_artist = _entries(rows, genre, second)
    return Catalogue(
        genre=genre,
        tracks=tracks,
        hit=hit,
        spread=0.5 + 110 * (rows / rows[0]) ** 0.7,
        first_track=np.concatenate([[0], np.cumsum(tracks)]),
        albums=albums,
        first_album=np.concatenate([[0], np.cumsum(albums)]),
        cumulative=cumulative,
        entry_artist=entry_artist,
    )


def _artist_rows() -> Floats:
    top = np.array(_TOP_ARTIST_ROWS) / _TRACK_ROWS
    rest = (np.arange(len(top) + 1, ARTISTS + 1) + _ARTIST_SHIFT) ** -_ARTIST_EXPONENT
    return np.concatenate([top, rest / rest.sum() * (1 - top.sum())])


def _artist_genres(rows: Floats, share: Floats) -> tuple[Ints, Ints]:
    """Home and second genre of each artist (the same if only one), so that genres get their share of rows."""
    number = np.arange(ARTISTS)
    boundaries = np.cumsum(share)[:-1]
    genre = np.searchsorted(boundaries, uniform(number, 33), side="right")
    has_second = uniform(number, 34) < _SECOND_GENRE_SHARE
    second = np.where(has_second, np.searchsorted(boundaries, uniform(number, 35), side="right"), genre)
    weights = rows[:_PLACED_ONE_BY_ONE]
    missing = share * weights.sum()
    for artist, weight in enumerate(weights.tolist()):
        # The few who matter go where most is missing: chance alone would leave genres far from their share.
        home = int(np.argmax(missing))
        genre[artist] = home
        second[artist] = second[artist] if has_second[artist] else home
        missing[home] -= weight * (1 - _SECOND_GENRE_WEIGHT)
        missing[second[artist]] -= weight * _SECOND_GENRE_WEIGHT
    return genre, second


def _entries(rows: Floats, genre: Ints, second: Ints) -> tuple[Floats, Ints]:
    number = np.arange(ARTISTS)
    several = np.flatnonzero(second != genre)
    home_rows = rows.copy()
    home_rows[several] *= 1 - _SECOND_GENRE_WEIGHT
    scope = np.concatenate([genre, second[several], np.full(ARTISTS, EVERY_GENRE)])
    weight = np.concatenate([home_rows, rows[several] * _SECOND_GENRE_WEIGHT, rows])
    artist = np.concatenate([number, several, number])
    order = np.argsort(scope, kind="stable")
    scope, weight, artist = scope[order], weight[order], artist[order]
    starts = np.searchsorted(scope, np.arange(EVERY_GENRE + 2))
    cumulative = np.empty(len(weight))
    for group, (start, end) in enumerate(pairwise(starts.tolist())):
        running = np.cumsum(weight[start:end])
        cumulative[start:end] = group + running / running[-1]
    return cumulative, artist


def track_facts(known: Catalogue, track: Ints) -> Tracks:
    """Compute what belongs to tracks, given their numbers."""
    artist = np.searchsorted(known.first_track, track, side="right") - 1
    own = (known.albums[artist] * uniform(track, 41) ** _ALBUM_SKEW).astype(np.int64)
    # Neighbours in popularity and genre meet on compilations, so that an album can have several artists.
    compilation = (artist // (_COMPILATION_ARTISTS * len(GENRES))) * len(GENRES) + known.genre[artist]
    is_compiled = uniform(track, 42) < _COMPILATION_SHARE
    album = np.where(is_compiled, known.first_album[-1] + compilation, known.first_album[artist] + own)
    typical = np.array([genre.track_seconds for genre in GENRES])[known.genre[artist]] * 1000
    # The sum of three uniform draws is close to normal, and the same on every machine.
    bell = uniform(track, 43) + uniform(track, 44) + uniform(track, 45) - 1.5
    stretch = np.where(uniform(track, 46) < 0.01, 2.5, 1.0)
    return Tracks(track, artist, album, (typical * (1 + 0.5 * bell) * stretch).astype(np.int64))


def spotify_ids(number: Ints, kind: int) -> list[str]:
    """22 base-62 characters for each number; different numbers of a kind never share one.

    Each half spells a bijection of the number's 64 bits, so that either half alone is unique.
    """
    characters = np.empty((len(number), 22), dtype=np.uint8)
    for half in (0, 11):
        rest = mix64(number, 51 + 2 * kind + (half > 0))
        for place in range(half, half + 11):
            rest, digit = np.divmod(rest, np.uint64(62))
            characters[:, place] = _BASE62[digit]
    text: list[str] = characters.view("S22").ravel().astype("U22").tolist()
    return text
