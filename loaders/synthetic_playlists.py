"""Playlists of the made dataset as columns: followers, edits, lengths, titles, dates, and the tracks of each.

Every column is drawn by rank: the 1,000 playlists of a slice are put in an order by a latent score, a place in that
order is a rank among a million, and the rank is looked up in the published distribution. The rank within a thousandth
moves from slice to slice in even steps, so that a million playlists use each of the million ranks exactly once, and
any number of slices comes close. Columns depend on each other through their scores alone: how strongly they do never
changes how each is distributed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from loaders.synthetic_catalogue import EVERY_GENRE, Catalogue, build_catalogue
from loaders.synthetic_names import GENRES, PER_MILLION, Floats, Ints, mix64, per_million, spell_titles, titles

Booleans = npt.NDArray[np.bool_]

SLICE = 1000
LONGEST = 250
_STEP = 617  # coprime to 1,000 and near the golden section: neighbouring slices land far apart

_FOLLOWERS = {
    1: 754_219, 2: 149_600, 3: 46_939, 4: 19_591, 5: 9_813, 6: 5_360, 7: 3_305, 8: 2_143, 9: 1_512, 10: 1_006, 11: 825,
    12: 632, 15: 328, 20: 138,
}  # fmt: skip
# The tail beyond 20 by rank of size: 71,643 at the top, the published share of the 16 largest in the variance, and then
# straight (both axes logarithmic) to where the body ends. It gives the published mean and standard deviation.
_MOST_FOLLOWERS, _TOP_RANKS, _TOP_EXPONENT, _BODY_ENDS = 71_643, 18, 0.57, 20.6
_EDITS = {1: 5_000, 2: 92_252, 3: 81_820, 4: 71_973, 5: 61_978, 6: 53_085, 10: 32_810}
_MOST_EDITS = 201
# Playlists a million at some lengths, published for 15 and 20; between them straight on a logarithmic scale.
_LENGTHS = {
    5: 4_000, 10: 11_200, 15: 14_177, 17: 14_800, 20: 15_057, 22: 14_900, 30: 11_796, 50: 8_172, 80: 4_800, 120: 2_569,
    160: 1_485, 200: 895, 250: 483,
}  # fmt: skip
_DESCRIBED = 18_760
_COLLABORATIVE = 23_000
_FIRST_DAY, _DAYS = 14_610, 2_861  # 2010-01-01 in days since the epoch, and on to 2017-10-31
_PEAK = 19_018  # on 2017-10-30
_LAST_DAY_COUNT = 10_000

# How often a row comes from the playlist's genre and not from anywhere, and has the artist of another row.
_GENRE_ROWS = 0.75
_SAME_ARTIST = 0.3
# Longer playlists repeat a track more often: 12 of 37 playlists do.
_REPEATS_HALF_LENGTH = 115.0
_MANY_REPEATS = 0.02


@dataclass(frozen=True)
class Playlists:
    """Columns of one slice, one entry a playlist, in the order of `pid`.

    Attributes:
        pid: Number of the playlist.
        name: Title as spelt.
        title: Number in `titles().text`.
        genre: Number in `GENRES`; latent, written nowhere.
        followers: At least 1.
        edits: At least 1.
        length: Tracks, 5 to 250.
        collaborative: Whether others may edit.
        described: Whether there is a description.
        modified_at: Seconds since the epoch, midnight GMT.
    """

    pid: Ints
    name: list[str]
    title: Ints
    genre: Ints
    followers: Ints
    edits: Ints
    length: Ints
    collaborative: Booleans
    described: Booleans
    modified_at: Ints


def sample_playlists(seed: int, slice_number: int) -> Playlists:
    """Draw the playlists of one slice; depends on nothing but the two numbers.

    Args:
        seed: 0 to 2**64 - 1.
        slice_number: 0 to 999.
    """
    rng = _generator(seed, slice_number, stream=0)

    def ranks(score: Floats, column: int) -> Ints:
        return _even_ranks(score, seed, slice_number, column)

    title = np.searchsorted(np.cumsum(titles().count), ranks(rng.random(SLICE), 1), side="right")
    genre = _genres(title, rng.random(SLICE))
    follower_rank = ranks(rng.random(SLICE), 2)
    popular = _normal_scores()[follower_rank // SLICE]
    # The weights give playlists of 10 followers and more their published median of edits and share of descriptions.
    busy = 0.235 * popular + 0.972 * _normal(rng)
    long = 0.5 * busy + 0.03 * popular + 0.85 * _normal(rng) + _length_shift()[genre]
    described = 0.285 * popular + 0.1 * busy + 0.95 * _normal(rng)
    shared = 0.15 * busy + _normal(rng)
    recent = 0.3 * busy + _normal(rng)
    values, counts = follower_distribution()
    first = slice_number * SLICE
    return Playlists(
        pid=np.arange(first, first + SLICE),
        name=spell_titles(title, rng.random(SLICE), rng.random(SLICE)),
        title=title,
        genre=genre,
        followers=values[np.searchsorted(np.cumsum(counts), follower_rank, side="right")],
        edits=1 + np.searchsorted(np.cumsum(edit_counts()), ranks(busy, 3), side="right"),
        length=5 + np.searchsorted(np.cumsum(length_counts()), ranks(long, 4), side="right"),
        collaborative=ranks(shared, 5) >= PER_MILLION - _COLLABORATIVE,
        described=ranks(described, 6) >= PER_MILLION - _DESCRIBED,
        modified_at=86_400 * (_FIRST_DAY + np.searchsorted(np.cumsum(day_counts()), ranks(recent, 7), side="right")),
    )


def sample_tracks(playlists: Playlists, seed: int, slice_number: int) -> Ints:
    """Draw the track numbers of all playlists of a slice, one playlist after the other."""
    rng = _generator(seed, slice_number, stream=1)
    known = the_catalogue()
    starts = np.concatenate([[0], np.cumsum(playlists.length)])
    playlist = np.repeat(np.arange(SLICE), playlists.length)
    artist = _draw_artists(known, rng, playlists.genre[playlist])
    source = starts[playlist] + (rng.random(len(playlist)) * playlists.length[playlist]).astype(np.int64)
    artist = np.where(rng.random(len(playlist)) < _SAME_ARTIST, artist[source], artist)
    tracks = known.draw_tracks(artist, rng.random(len(playlist)), rng.random(len(playlist)))
    for _ in range(3):  # a track that came up twice is drawn again; the repeats that are meant are planted below
        again = _repeated(playlist, tracks, known)
        artist = _draw_artists(known, rng, playlists.genre[playlist[again]])
        tracks[again] = known.draw_tracks(artist, rng.random(len(again)), rng.random(len(again)))
    _plant_repeats(tracks, rng, playlists.length, starts)
    return tracks


@cache
def the_catalogue() -> Catalogue:
    """Build the catalogue, once, for the genres that the titles bring about and the lengths that the genres have."""
    rows = titles().genre_share * _relative_lengths()
    # Rounded, so that the order in which a machine sums never shows.
    return build_catalogue(np.round(rows / rows.sum(), 9))


def _generator(seed: int, slice_number: int, stream: int) -> np.random.Generator:
    key = np.array([seed, slice_number], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, 0, stream], dtype=np.uint64)))


def _normal(rng: np.random.Generator) -> Floats:
    radius = np.sqrt(-2 * np.log1p(-rng.random(SLICE)))
    return np.asarray(radius * np.cos(2 * np.pi * rng.random(SLICE)))


@cache
def _normal_scores() -> Floats:
    return np.array([NormalDist().inv_cdf((place + 0.5) / SLICE) for place in range(SLICE)])


def _even_ranks(score: Floats, seed: int, slice_number: int, column: int) -> Ints:
    place = np.empty(SLICE, dtype=np.int64)
    place[np.argsort(score, kind="stable")] = np.arange(SLICE)
    offset = (mix64(place, seed * 16 + column) % np.uint64(SLICE)).astype(np.int64)
    return place * SLICE + (slice_number * _STEP + offset) % SLICE


def _genres(title: Ints, draw: Floats) -> Ints:
    cumulative = np.cumsum(titles().genre_given_title[title], axis=1)
    return np.asarray(np.minimum((draw[:, None] >= cumulative).sum(axis=1), len(GENRES) - 1))


def _length_shift() -> Floats:
    return np.array([genre.length_shift for genre in GENRES])


@cache
def _relative_lengths() -> Floats:
    """Mean length of each genre's playlists over the mean of all, as the shifts of their scores bring about."""
    lengths = 5 + np.searchsorted(np.cumsum(length_counts()), np.arange(500, PER_MILLION, SLICE), side="right")
    shift, share = _length_shift(), titles().genre_share
    shift = shift - share @ shift
    # Moving the whole score by `shift` weights the length at score z by exp(shift z - shift^2 / 2).
    weight = np.exp(shift[:, None] * _normal_scores() - shift[:, None] ** 2 / 2)
    mean = (weight * lengths).sum(axis=1) / weight.sum(axis=1)
    return np.asarray(mean / (share @ mean))


@cache
def follower_distribution() -> tuple[Ints, Ints]:
    """Numbers of followers in ascending order, and of playlists a million that have them."""
    known = np.array(list(_FOLLOWERS)), np.array(list(_FOLLOWERS.values()))
    body = np.arange(1, 21)
    counts = np.rint(np.exp(np.interp(np.log(body), np.log(known[0]), np.log(known[1])))).astype(np.int64)
    ranks = np.arange(1, PER_MILLION - int(counts.sum()) + 1)
    top = _MOST_FOLLOWERS * ranks**-_TOP_EXPONENT
    knee = top[_TOP_RANKS - 1]
    slope = math.log(knee / _BODY_ENDS) / math.log(len(ranks) / _TOP_RANKS)
    tail = np.where(ranks <= _TOP_RANKS, top, knee * (_TOP_RANKS / ranks) ** slope)
    values, tail_counts = np.unique(np.rint(tail).astype(np.int64), return_counts=True)
    return np.concatenate([body, values]), np.concatenate([counts, tail_counts])


@cache
def edit_counts() -> Ints:
    """Playlists a million with 1, 2, ... edits."""
    body = np.arange(1, 11)
    known = np.array(list(_EDITS)), np.array(list(_EDITS.values()))
    counts = np.rint(np.exp(np.interp(body, known[0], np.log(known[1])))).astype(np.int64)
    beyond = np.arange(11.0, _MOST_EDITS + 1)
    tail = per_million((1 + (beyond - 11) / 38) ** -3.5, PER_MILLION - int(counts.sum()))
    return np.concatenate([counts, tail])


@cache
def length_counts() -> Ints:
    """Playlists a million with 5, 6, ... 250 tracks."""
    knots, counts = np.array(list(_LENGTHS)), np.array(list(_LENGTHS.values()))
    weights = np.exp(np.interp(np.arange(5, LONGEST + 1), knots, np.log(counts)))
    return per_million(weights)


@cache
def day_counts() -> Ints:
    """Playlists a million modified on each day from 2010-01-01 to 2017-10-31."""
    age = np.arange(2.0, _DAYS)
    rest = per_million((age + 14.957) ** -1.2, PER_MILLION - _PEAK - _LAST_DAY_COUNT)
    return np.concatenate([rest[::-1], [_PEAK, _LAST_DAY_COUNT]])


def _draw_artists(known: Catalogue, rng: np.random.Generator, genre: Ints) -> Ints:
    scope = np.where(rng.random(len(genre)) < _GENRE_ROWS, genre, EVERY_GENRE)
    return known.draw_artists(scope, rng.random(len(genre)))


def _repeated(playlist: Ints, tracks: Ints, known: Catalogue) -> Ints:
    """Rows whose track already stands earlier in their playlist."""
    key = playlist * known.first_track[-1] + tracks
    order = np.argsort(key, kind="stable")
    return np.sort(order[1:][key[order[1:]] == key[order[:-1]]])


def _plant_repeats(tracks: Ints, rng: np.random.Generator, length: Ints, starts: Ints) -> None:
    chosen = np.flatnonzero(rng.random(SLICE) < length / (length + _REPEATS_HALF_LENGTH))
    times = 1 + np.floor(np.log1p(-rng.random(len(chosen))) / math.log(0.35)).astype(np.int64)
    many = rng.random(len(chosen)) < _MANY_REPEATS
    times = np.where(many, np.minimum(29, length[chosen] // 2), np.minimum(times, length[chosen] // 2))
    source = (rng.random(len(chosen)) * length[chosen]).astype(np.int64)
    for playlist, count, start in zip(chosen.tolist(), times.tolist(), source.tolist(), strict=True):
        size = int(length[playlist])
        places = starts[playlist] + (start + 1 + np.arange(count) * (size // (count + 1))) % size
        tracks[places] = tracks[starts[playlist] + start]
