"""Words, genres and titles of the made dataset: everything a reader of it sees, and nothing that names a real work.

Names are functions of an entity's number (`mix64`), so that nothing about millions of tracks has to be stored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

UInts = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PER_MILLION = 1_000_000
NORMALISED_TITLES = 17_381

_WORDS = 4096
_ONSETS = "b br c ch d dr f fl g gr h j k kl l m n p pr r s sh sl st t tr v w y z".split()  # noqa: SIM905
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ou")
_CODAS = ("", "", "", "l", "m", "n", "r", "s", "th", "x")
_ACCENTS = {"a": "á", "e": "é", "i": "î", "o": "ø", "u": "ü", "n": "ñ", "c": "ç"}
_KANA = "アイカキサシタテナノミモラリルレン"

_ARTIST_PATTERNS = (
    *["{0} {1}"] * 14,
    *["{0}{2}"] * 7,
    *["The {0} {1}"] * 3,
    *["DJ {0}{2}"] * 2,
    *["{0} & {1}"] * 2,
    "{0} y los {1}",
    "{0} \\ {1}",
    '{0} "{2}" {1}',
    "{0}{2}!",
)
_TRACK_PATTERNS = (
    *["{0} {1}"] * 16,
    *["{0}"] * 8,
    *["{0} of the {1}"] * 8,
    *["I {0} You ({1} {2})"] * 5,
    *["{0} {2} - Radio Edit"] * 5,
    *["{0} (feat. {1} {2})"] * 8,
    *["{0} {1} - Remastered 2009"] * 4,
    *["{0}'s {1} - Live"] * 4,
    '"{0}" {1}',
    "{0} / {1} \\ {2}",
    "{0}… ¿{1}?",
    "{0} & {1}",
    "{0} ♥ {1}",
    "Symphony No. 5 in {0} Minor, Op. 67: II. {1} con {2} - Arranged for Winds",
)
_ALBUM_PATTERNS = (
    *["{0} {1}"] * 8,
    *["{0} {1} (Deluxe Edition)"] * 3,
    *["{0}"] * 2,
    "The {0} EP",
    'Songs from "{0}"',
    "{0} & {1}: Greatest Hits",
)
_LONGEST_TRACK_NAME = 219


def mix64(numbers: Ints | list[int], key: int) -> UInts:
    """Scramble integers: a bijection of 64 bits for each key (the SplitMix64 finaliser), the same everywhere."""
    mixed = np.asarray(numbers, dtype=np.uint64) + np.uint64((key * 0x9E3779B97F4A7C15) % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def uniform(numbers: Ints | list[int], key: int) -> Floats:
    """A number in [0, 1) for each integer, fixed by integer and key."""
    return (mix64(numbers, key) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def per_million(weights: Floats, total: int = PER_MILLION) -> Ints:
    """Whole counts proportional to `weights` that sum to `total` (largest remainders)."""
    exact = weights / weights.sum() * total
    counts: Ints = np.floor(exact).astype(np.int64)
    largest = np.argsort(counts - exact, kind="stable")[: total - int(counts.sum())]
    counts[largest] += 1
    return counts


@dataclass(frozen=True)
class Genre:
    """A latent taste: the words that title its playlists, and how much longer than usual they are."""

    name: str
    share: float
    words: tuple[str, ...]
    length_shift: float = 0.0
    track_seconds: int = 230


GENRES = (
    Genre("pop", 0.17, ("pop", "top hits", "hits", "radio", "sing along", "girl power"), -0.05),
    Genre("rap", 0.17, ("rap", "hip hop", "trap", "bars", "flow", "turnt", "lit"), 0.15),
    Genre("rock", 0.12, ("rock", "classic rock", "alternative", "punk", "grunge", "rock &amp; roll"), 0.15),
    Genre("country", 0.10, ("country", "country roads", "honky tonk", "tailgate", "boots"), 0.05),
    Genre("edm", 0.08, ("edm", "house", "dubstep", "electronic", "rave", "drops", "techno"), 0.1, 260),
    Genre("latin", 0.06, ("latin", "reggaeton", "salsa", "bachata", "música", "fiesta", "español")),
    Genre("rnb", 0.06, ("r&amp;b", "soul", "slow jams", "neo soul", "smooth", "bedroom"), 0.0, 245),
    Genre("indie", 0.06, ("indie", "folk", "acoustic", "coffee shop", "café", "mellow")),
    Genre("oldies", 0.04, ("oldies", "60s", "70s", "motown", "doo wop", "golden days"), 0.05, 200),
    Genre("worship", 0.03, ("worship", "gospel", "jesus", "praise", "church", "faith"), -0.15, 280),
    Genre("metal", 0.03, ("metal", "heavy", "hardcore", "metalcore", "mosh"), 0.1, 270),
    Genre("soundtrack", 0.02, ("soundtrack", "musicals", "broadway", "movie night", "kids"), -0.1, 190),
    Genre("christmas", 0.02, ("christmas", "xmas", "holidays", "snow day", "navidad"), -0.1, 190),
    Genre("classical", 0.015, ("classical", "piano", "study", "orchestra", "opera"), -0.15, 340),
    Genre("jazz", 0.015, ("jazz", "swing", "big band", "blues", "bossa nova"), -0.05, 300),
    Genre("reggae", 0.01, ("reggae", "island", "dub", "ska", "beach vibes"), -0.1, 240),
)
_HOME = {genre.name: number for number, genre in enumerate(GENRES)}

# Published count a million, home genre, and how strongly the title decides for it.
_TOP_TITLES = (
    ("country", 10_000, "country", 0.95),
    ("chill", 10_000, "indie", 0.35),
    ("rap", 8_493, "rap", 0.95),
    ("workout", 8_481, "edm", 0.35),
    ("oldies", 8_146, "oldies", 0.9),
    ("christmas", 8_015, "christmas", 0.97),
    ("rock", 6_848, "rock", 0.95),
    ("party", 6_157, "pop", 0.35),
    ("throwback", 5_883, "rnb", 0.3),
    ("jams", 5_063, "rap", 0.3),
)
# fmt: off
_MOODS = (
    "summer", "roadtrip", "sleep", "gym", "running", "feels", "love", "sad", "happy", "good vibes", "car", "shower",
    "wedding", "dance", "new", "favorites", "morning", "night", "work", "study time", "relax", "drive", "old school",
    "bangers", "vibes", "music", "random", "mix", "my music", "2017", "2016", "don&#x27;t stop",
)
_MODIFIERS = (
    "mix", "vibes", "jams", "2013", "2014", "2015", "2016", "2017", "nights", "time", "party", "forever", "classics",
    "favs", "list", "playlist", "music", "songs", "summer", "winter", "fall", "spring", "best of", "new", "old",
    "stuff", "feels", "tunes", "essentials", "road trip", "for mom", "for dad", "at work", "at home", "volume 2",
    "part ii", "in the car", "loud", "soft", "live", "again", "mood", "life", "love", "on repeat", "throwbacks",
    "sunday", "monday",
)
_EMOJI = (
    "🔥", "🎶", "❤️", "😎", "🌴", "☀️", "🎉", "💃", "🌙", "🎧", "✨", "💪", "🎄", "🍂", "🚗", "💔", "🙌", "🤘",
)
# fmt: on
_WRAPS = (
    ("", "!"),
    ("", " "),
    ("", "."),
    (" ", ""),
    ("", "!!"),
    ("", "  "),
    ("~", "~"),
    ("", " :)"),
    ('"', '"'),
    ("*", "*"),
    ("", " /\\"),
    ("- ", " -"),
    ("", "..."),
    ("(", ")"),
    ("#", ""),
)
_DECORATIONS = (*_WRAPS, *(("", f" {emoji}") for emoji in _EMOJI), *((f"{emoji} ", f" {emoji}") for emoji in _EMOJI))
# Lower, every word, first word, upper; and how often a title wears something besides.
_CASES = (0.44, 0.40, 0.11, 0.05)
_DECORATED = 0.0356


@dataclass(frozen=True)
class Titles:
    """The titles after normalising, with counts a million playlists and what each says of the genre."""

    text: tuple[str, ...]
    count: Ints
    genre_given_title: Floats

    @property
    def genre_share(self) -> Floats:
        """Share of playlists of each genre."""
        return np.asarray(self.count @ self.genre_given_title / self.count.sum())


@cache
def words() -> tuple[str, ...]:
    """Invented capitalised words, all different, a few of them beyond ASCII."""
    tried = map(_word, mix64(np.arange(8 * _WORDS), 11).tolist())
    return tuple(dict.fromkeys(tried))[:_WORDS]


def _word(bits: int) -> str:
    if bits % 100 == 0:
        return "".join(_KANA[(bits >> shift) % len(_KANA)] for shift in (8, 16, 24, 32))
    parts = []
    for syllable in range(1 + (bits >> 4) % 3):
        piece = bits >> (8 + 16 * syllable)
        parts += [
            _ONSETS[piece % len(_ONSETS)],
            _VOWELS[(piece >> 5) % len(_VOWELS)],
            _CODAS[(piece >> 8) % len(_CODAS)],
        ]
    word = "".join(parts)
    if bits % 100 < 5:
        word = "".join(_ACCENTS.get(letter, letter) for letter in word)
    return word.capitalize()


@cache
def titles() -> Titles:
    """The titles: the published ten with their published counts, then a Zipf-like remainder."""
    known = [(text, _HOME[home], focus) for text, _, home, focus in _TOP_TITLES]
    moods = [(mood, _any_genre(mood), 0.3) for mood in _MOODS]
    genre_words = [(word, number, 0.9) for number, genre in enumerate(GENRES) for word in genre.words]
    phrases = [
        (f"{stem} {modifier}", home, focus) for stem, home, focus in genre_words + moods for modifier in _MODIFIERS
    ]
    emoji = [(one + other, _any_genre(one), 0.3) for one in _EMOJI for other in ("", *_EMOJI)]
    invented = [
        (text, _any_genre(text), 0.75)
        for bits in mix64(np.arange(2 * NORMALISED_TITLES), 14).tolist()
        for text in [f"{words()[bits % _WORDS]} {words()[(bits >> 12) % _WORDS]}".lower()]
    ]
    rare = phrases + emoji + invented
    order = np.argsort(mix64(np.arange(len(rare)), 12), kind="stable")
    unique: dict[str, tuple[int, float]] = {}
    for text, home, focus in [*known, *genre_words, *moods, *(rare[place] for place in order)]:
        unique.setdefault(text, (home, focus))
    text = tuple(unique)[:NORMALISED_TITLES]
    home = np.array([unique[title][0] for title in text])
    focus = np.array([unique[title][1] for title in text])
    shares = np.array([genre.share for genre in GENRES])
    given = (1 - focus)[:, None] * shares / shares.sum()
    given[np.arange(len(text)), home] += focus
    return Titles(text, _title_counts(), given)


def _title_counts() -> Ints:
    top = np.array([count for _, count, _, _ in _TOP_TITLES], dtype=np.int64)
    ranks = np.arange(len(top) + 1, NORMALISED_TITLES + 1, dtype=np.float64)
    rest = per_million(ranks**-0.8, PER_MILLION - int(top.sum()))
    return np.concatenate([top, rest])


def _any_genre(text: str) -> int:
    cumulative = np.cumsum([genre.share for genre in GENRES])
    number = int.from_bytes(text.encode()[:8], "little")
    return int(np.searchsorted(cumulative / cumulative[-1], uniform([number], 13)[0], side="right"))


@cache
def _decoration_thresholds() -> Floats:
    weights = 1.0 / (np.arange(len(_DECORATIONS)) + 4.0)
    return np.concatenate([[1 - _DECORATED], 1 - _DECORATED + np.cumsum(weights) / weights.sum() * _DECORATED])


def spell_titles(title: Ints, case_draw: Floats, decoration_draw: Floats) -> list[str]:
    """Write titles as different people would: case, blanks, punctuation, emoji.

    Args:
        title: Numbers into `titles().text`.
        case_draw: One number in [0, 1) for each title.
        decoration_draw: Another.
    """
    text = titles().text
    case = np.searchsorted(np.cumsum(_CASES)[:-1], case_draw, side="right").tolist()
    worn = np.searchsorted(_decoration_thresholds()[:-1], decoration_draw, side="right").tolist()
    return [
        _decorate(_cased(text[number], style), wear)
        for number, style, wear in zip(title.tolist(), case, worn, strict=True)
    ]


def _cased(text: str, style: int) -> str:
    if style == 0:
        return text
    if style == 1:
        return " ".join(word[:1].upper() + word[1:] for word in text.split(" "))
    if style == 2 or "&" in text:  # an entity in capitals would no longer be one
        return text[:1].upper() + text[1:]
    return text.upper()


def _decorate(text: str, worn: int) -> str:
    if worn == 0 or not any(map(str.isalnum, text)):
        return text
    prefix, suffix = _DECORATIONS[worn - 1]
    return f"{prefix}{text}{suffix}"


def describe(pid: int, seed: int) -> str:
    """Invent a playlist description."""
    bits = int(mix64([pid], 15 + seed)[0])
    first, second = words()[bits % _WORDS], words()[(bits >> 12) % _WORDS]
    patterns = (
        f"Songs for {first} and {second}",
        f"everything I&#x27;ve loved since {2005 + bits % 12}",
        f"{first} &amp; {second} {_EMOJI[bits % len(_EMOJI)]}",
        f'Updated weekly. Ask for "{second}" if you miss it ',
        f"música para {first.lower()} / \\ {second}",
        f"For long drives, late nights and everything in between: {first}, {second} and friends.",
    )
    return patterns[(bits >> 24) % len(patterns)]


@cache
def _escaped_words() -> tuple[str, ...]:
    return tuple(json.dumps(word)[1:-1] for word in words())


@cache
def _escaped(patterns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(json.dumps(pattern)[1:-1] for pattern in patterns)


def _names(bits: UInts, patterns: tuple[str, ...]) -> list[str]:
    table, formats = _escaped_words(), _escaped(patterns)
    mask = np.uint64(_WORDS - 1)
    columns = [(bits >> np.uint64(shift) & mask).tolist() for shift in (0, 12, 24)]
    chosen = (bits >> np.uint64(36)) % np.uint64(len(patterns))
    return [
        formats[pattern].format(table[first], table[second], table[third].lower())
        for pattern, first, second, third in zip(chosen.tolist(), *columns, strict=True)
    ]


def artist_names(artist: Ints) -> list[str]:
    """Names of artists, as they stand in JSON between the quotes. One artist in 64 shares the name of another."""
    namesake = np.where(artist % 64 == 63, artist - 17, artist)
    return _names(mix64(namesake, 21), _ARTIST_PATTERNS)


def track_names(track: Ints) -> list[str]:
    """Names of tracks, as they stand in JSON between the quotes; one in about 4,000 is as long as they get."""
    names = _names(mix64(track, 22), _TRACK_PATTERNS)
    for place in np.flatnonzero(mix64(track, 23) % np.uint64(4000) == 0).tolist():
        start = names[place] if names[place].isascii() and "\\" not in names[place] else "Medley"
        names[place] = f"{start} / {start.lower()} reprise".ljust(_LONGEST_TRACK_NAME, ".")[:_LONGEST_TRACK_NAME]
    return names


def album_names(album: Ints) -> list[str]:
    """Names of albums, as they stand in JSON between the quotes."""
    return _names(mix64(album, 24), _ALBUM_PATTERNS)
