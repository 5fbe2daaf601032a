"""Split a slice into playlists without losing a byte of them, and hold each against the rules of the dataset.

A playlist is looked at twice at most. The first look is a typed decode that clean playlists of the official form
pass at several hundred MB/s. What does not pass, or could hide something that the decode cannot see, gets a slow
second look, which decides, and which can name the field and the value at fault.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from msgspec.structs import astuple

from loaders.slices import SliceRefused

SLICE_REASONS: dict[str, str] = {
    "absent": "There is no such file or folder.",
    "no_slices": "The folder or archive holds no slices.",
    "unreadable": "The operating system refuses to read the file or folder.",
    "corrupt_archive": "The gzip or zip data is damaged or incomplete.",
    "encrypted": "The zip archive asks for a password.",
    "nested_archive": "The archive holds another archive.",
    "repeated_member": "A later member of the archive has the same name, and is the one that counts.",
    "too_large": "One slice of more than 1 GiB.",
    "empty_file": "No content at all.",
    "not_utf8": "The bytes are not UTF-8 text.",
    "not_json": "The text is not JSON, or ends in the middle.",
    "wrong_shape": "Valid JSON, but not an object with one `info` object and one `playlists` array.",
    "challenge_set": "The challenge set of the dataset, which has no complete playlists; it is not a slice.",
    "rejects_under_strict": "A playlist is rejected, or was when the slice landed, and the load is to be strict.",
    "refused_by_database": "PostgreSQL cannot store the `info` object.",
}
PLAYLIST_REASONS: dict[str, str] = {
    "not_an_object": "The element of `playlists` is not a JSON object.",
    "duplicate_key": "An object has the same key twice, so that one of the values would be lost.",
    "not_a_number": "`NaN` or `Infinity`, which JSON does not have.",
    "too_deep": "Arrays and objects nest more than 256 levels deep.",
    "null_character": "A string or key holds U+0000, which PostgreSQL cannot store.",
    "lone_surrogate": "A string or key holds half of a surrogate pair, which is not a character.",
    "missing_field": "A required field is not there.",
    "wrong_type": "A field is null or of another type; integers have neither fraction nor exponent.",
    "out_of_range": "A number is outside of what the field can mean.",
    "empty_name": "The name of the playlist is the empty string.",
    "bad_collaborative": "`collaborative` is neither `true` nor `false`, as a string or as a boolean.",
    "empty_tracks": "The playlist has no tracks.",
    "positions": "`pos` does not count the tracks from 0, one by one, in order.",
    "bad_uri": "A URI is not its prefix and 22 base-62 characters.",
    "repeated_pid": "An earlier playlist of the same slice has the same `pid`.",
    "refused_by_database": "PostgreSQL cannot store the playlist.",
}
REASONS: dict[str, str] = {**SLICE_REASONS, **PLAYLIST_REASONS}

MAX_DEPTH = 256

_MAX_PID = 999_999
_MAX_INTEGER = 2**31 - 1
_MAX_BIGINT = 2**63 - 1
_MAX_TIMESTAMP = 253_402_300_799
_SHOWN_CHARACTERS = 80
_TEXT_PIECE = 1 << 20


@dataclass(frozen=True)
class Slice:
    """A slice, split.

    Attributes:
        info: The `info` object, as its bytes stood.
        playlists: Each element of the `playlists` array, a view of its bytes as they stood; not validated.
    """

    info: bytes
    playlists: list[memoryview]


_Count = Annotated[int, Meta(ge=0, le=_MAX_INTEGER)]
_Positive = Annotated[int, Meta(ge=1, le=_MAX_INTEGER)]


class TrackFields(Struct, forbid_unknown_fields=True, gc=False):
    """The fields of a track."""

    pos: _Count
    track_uri: str
    track_name: str
    album_uri: str
    album_name: str
    artist_uri: str
    artist_name: str
    duration_ms: _Count


class PlaylistFields(Struct, forbid_unknown_fields=True, gc=False):
    """The fields of a playlist."""

    pid: Annotated[int, Meta(ge=0, le=_MAX_PID)]
    name: Annotated[str, Meta(min_length=1)]
    collaborative: Literal["true", "false"] | bool
    modified_at: Annotated[int, Meta(ge=0, le=_MAX_TIMESTAMP)]
    num_tracks: _Count
    num_albums: _Count
    num_artists: _Count
    num_followers: _Positive
    num_edits: _Positive
    duration_ms: Annotated[int, Meta(ge=0, le=_MAX_BIGINT)]
    tracks: Annotated[list[TrackFields], Meta(min_length=1)]
    description: str | UnsetType = UNSET


class TrackColumns(NamedTuple):
    """The fields of the tracks of a playlist, column by column, in the order of `TrackFields`."""

    pos: tuple[int, ...]
    track_uri: tuple[str, ...]
    track_name: tuple[str, ...]
    album_uri: tuple[str, ...]
    album_name: tuple[str, ...]
    artist_uri: tuple[str, ...]
    artist_name: tuple[str, ...]
    duration_ms: tuple[int, ...]


class Playlist(NamedTuple):
    """A playlist that keeps every rule.

    Attributes:
        ordinal: Its position in the slice, from 0.
        raw: Its bytes as they stood.
        fields: Its fields.
        tracks: Those of its tracks.
        is_covered: Whether `fields` hold all that is in it.
    """

    ordinal: int
    raw: memoryview
    fields: PlaylistFields
    tracks: TrackColumns
    is_covered: bool


@dataclass(frozen=True)
class Reject:
    """A playlist that broke a rule; `pid` is None where it cannot be told, `reason` a code of `PLAYLIST_REASONS`."""

    ordinal: int
    pid: int | None
    reason: str
    detail: str
    raw: bytes


class Fault(NamedTuple):
    """A broken rule: a reason code, and the field and value at fault."""

    reason: str
    detail: str


# ----------------------------------------------------------------------------------------------------------------------
# A slice as a whole


def split(data: bytes) -> Slice:
    """Split a slice into its playlists.

    A byte order mark is passed over: editors on Windows add one, and it means nothing. Faults inside a playlist that
    would stop a strict decoder (nesting without end, `NaN`, half a surrogate pair) are left to `check`, so that one
    playlist does not take the others with it.

    Args:
        data: The uncompressed bytes of the slice.

    Raises:
        SliceRefused: With `empty_file`, `not_utf8`, `not_json`, `wrong_shape` or `challenge_set`.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data or data.isspace():
        raise SliceRefused("empty_file", f"{len(data)} bytes, none of them content")
    try:
        return _split_strictly(data, data)
    except (msgspec.DecodeError, RecursionError, SliceRefused, UnicodeDecodeError) as error:
        # What is not text has every other fault as well.
        require_utf8(data)
        if isinstance(error, SliceRefused):
            raise
        decodable = _blanked(data, MAX_DEPTH)
        if decodable == data:
            raise _refusal(error, data) from error
    try:
        return _split_strictly(data, decodable)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _refusal(error, data) from error


def require_utf8(data: bytes) -> None:
    """Refuse a slice that is not UTF-8 text; a piece at a time, since text may take four times the memory of its bytes.

    Raises:
        SliceRefused: With `not_utf8`.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data), _TEXT_PIECE):
        held = len(decoder.getstate()[0])
        try:
            decoder.decode(data[start : start + _TEXT_PIECE], final=start + _TEXT_PIECE >= len(data))
        except UnicodeDecodeError as error:
            at = start - held + error.start
            raise SliceRefused("not_utf8", f"{error.reason} at byte {at}; convert it to UTF-8") from error


def _refusal(error: Exception, data: bytes) -> SliceRefused:
    if isinstance(error, msgspec.ValidationError):
        return SliceRefused("wrong_shape", f"{error}; a slice is an object with info and playlists")
    if "truncated" in str(error):
        return SliceRefused("not_json", f"the JSON is truncated: it ends in the middle, after {len(data)} bytes")
    return SliceRefused("not_json", str(error))


def _split_strictly(data: bytes, decodable: bytes | bytearray) -> Slice:
    """Split by the structure of `decodable`, which is `data` but for bytes that were blanked one by one."""
    members = msgspec.json.decode(decodable, type=dict[str, Raw])
    starts = _member_starts(decodable, members)
    _require_slice_shape(members)
    # What nobody looks at must be text all the same; the playlists are looked at later, one by one.
    for value in (members[name] for name in members.keys() - {"info", "playlists"}):
        bytes(value).decode()
    info = data[starts["info"] : starts["info"] + len(memoryview(members["info"]))]
    _require_storable_info(info)
    elements = msgspec.json.decode(members["playlists"], type=list[Raw])
    return Slice(info, list(_views(data, decodable, starts["playlists"], elements)))


_MEMBER = re.compile(rb'\s*[{,]\s*"(?:[^"\\]|\\.)*"\s*:\s*', re.DOTALL)
_BEFORE_ELEMENT = re.compile(rb"\s*[\[,]\s*")


def _member_starts(data: bytes | bytearray, members: Mapping[str, Raw]) -> dict[str, int]:
    """Find where each value of the root object starts, which fails if a key is there twice: a value is then missing."""
    starts = {}
    position = 0
    for key, value in members.items():
        gap = _MEMBER.match(data, position)
        if gap is None or not data.startswith(memoryview(value), gap.end()):
            break
        starts[key] = gap.end()
        position = gap.end() + len(memoryview(value))
    if len(starts) < len(members) or (members and data[position:].strip() != b"}"):
        raise SliceRefused("wrong_shape", "a key is there twice at the top level; keep one of them")
    return starts


def _require_slice_shape(members: Mapping[str, Raw]) -> None:
    if "info" not in members and {"date", "version", "playlists"} <= members.keys():
        raise SliceRefused("challenge_set", "its playlists are incomplete on purpose; load the slices of the dataset")
    for name in ("info", "playlists"):
        if name not in members:
            raise SliceRefused("wrong_shape", f"the object at the top has no {name}; is this a slice?")
    for name, opening, kind in (("info", "{", "an object"), ("playlists", "[", "an array")):
        if memoryview(members[name])[0] != ord(opening):
            raise SliceRefused("wrong_shape", f"{name} is not {kind}; is this a slice?")


def _require_storable_info(info: bytes) -> None:
    _, fault = _parsed(info)
    if fault is not None:
        raise SliceRefused("wrong_shape", f"info cannot be stored: {fault.detail}")


def _views(data: bytes, decodable: bytes | bytearray, start: int, elements: Iterable[Raw]) -> Iterator[memoryview]:
    view = memoryview(data)
    for element in elements:
        gap = _BEFORE_ELEMENT.match(decodable, start)
        if gap is None:
            raise AssertionError(f"no element of playlists at byte {start}")
        start = gap.end() + len(memoryview(element))
        yield view[gap.end() : start]


_TOKEN = re.compile(
    rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[\]{}]|(?<![\w.+-])(?:-?Infinity|NaN)(?![\w.+-])',
    re.DOTALL,
)
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)


def _blanked(data: bytes, levels: int) -> bytes | bytearray:
    """Overwrite in place what stops a strict decoder, so that everything around it can be read.

    Containers below `levels` become `0` and blanks, `NaN` and `Infinity` digits, and halves of surrogate pairs blanks.

    Returns:
        As many bytes as went in, each value starting where it did; `data` itself if there was nothing to blank.
    """
    blanked = bytearray(data)
    depth = 0
    opened = 0
    for token in _TOKEN.finditer(data):
        start, end = token.span()
        first = data[start : start + 1]
        if first in b"[{":
            depth += 1
            if depth == levels + 1:
                opened = start
        elif first in b"]}":
            if depth == levels + 1:
                blanked[opened:end] = b"0".ljust(end - opened)
            depth -= 1
        elif depth <= levels and first != b'"':
            # It may be a whole element, of which the length must stay: nothing but digits.
            blanked[start:end] = b"1" * (end - start)
        elif depth <= levels and b"\\u" in token[0]:
            blanked[start:end] = _ESCAPE.sub(lambda escape: rb"\u0020" if escape[1] else escape[0], token[0])
    return data if blanked == data else blanked


# ----------------------------------------------------------------------------------------------------------------------
# A playlist: the first, quick look


_DECODER = msgspec.json.Decoder(PlaylistFields)
# Escaped quotes, and escaped backslashes lest the quote behind one be taken for escaped; and U+0000.
_TELLING_ESCAPE = re.compile(rb'\\(?:["\\]|u0000)')
_URI_CHARACTERS = 22
_URI_LINES = {
    kind: re.compile(rf"(?:spotify:{kind}:[0-9A-Za-z]{{{_URI_CHARACTERS}}}\n)+")
    for kind in ("track", "artist", "album")
}


def validate(playlists: Iterable[memoryview]) -> Iterator[Playlist | Reject]:
    """Tell the playlists of one slice that keep every rule from those that break one, in their order.

    The first of several playlists with the same pid stays; the others are rejects.

    Raises:
        UnicodeDecodeError: A playlist is not UTF-8, and so is the slice.
    """
    kept: dict[int, int] = {}
    for ordinal, raw in enumerate(playlists):
        found = check(raw, ordinal)
        if isinstance(found, Playlist):
            pid = found.fields.pid
            if kept.setdefault(pid, ordinal) != ordinal:
                detail = f"pid {pid} is the pid of playlist {kept[pid]} of this slice too"
                found = Reject(ordinal, pid, "repeated_pid", detail, bytes(raw))
        yield found


def check(raw: memoryview, ordinal: int) -> Playlist | Reject:
    """Hold one playlist against every rule that concerns it alone.

    Counts that disagree with the tracks, and very short or very long playlists, keep the rules. So do unknown fields.

    Args:
        raw: An element of `Slice.playlists`.
        ordinal: Its position in the slice, from 0.

    Raises:
        UnicodeDecodeError: It is not UTF-8.
    """
    text = bytes(raw)
    try:
        fields = _DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return _check_carefully(raw, text, ordinal)
    tracks = _columns(fields)
    if _is_plain(text, fields, tracks):
        return Playlist(ordinal, raw, fields, tracks, isinstance(fields.collaborative, str))
    return _check_carefully(raw, text, ordinal)


def _columns(fields: PlaylistFields) -> TrackColumns:
    return TrackColumns(*zip(*map(astuple, fields.tracks), strict=True))


def _is_plain(text: bytes, fields: PlaylistFields, tracks: TrackColumns) -> bool:
    """Tell whether a decoded playlist surely keeps the rules that its types do not express."""
    escaped_quotes = 0
    if b"\\" in text:
        escapes = _TELLING_ESCAPE.findall(text)
        escaped_quotes = escapes.count(b'\\"')
        if b"\\u0000" in escapes:
            return False
    # Every field is known and all but one must be there, so a repeated key shows as a string too many.
    strings = (
        len(_PLAYLIST_FIELDS.keys() - _OPTIONAL_FIELDS)
        + (2 if isinstance(fields.collaborative, str) else 1)
        + (0 if fields.description is UNSET else 2)
        + len(tracks.pos) * _STRINGS_OF_A_TRACK
    )
    return (
        text.count(b'"') - escaped_quotes == 2 * strings
        and tracks.pos == tuple(range(len(tracks.pos)))
        and _are_uris("track", tracks.track_uri)
        and _are_uris("artist", tracks.artist_uri)
        and _are_uris("album", tracks.album_uri)
    )


def _are_uris(kind: str, uris: Sequence[str]) -> bool:
    # As many characters as that many good lines have, in good lines from end to end: no URI has a line break in it.
    lines = "\n".join(uris) + "\n"
    length = len(f"spotify:{kind}:\n") + _URI_CHARACTERS
    return len(lines) == length * len(uris) and _URI_LINES[kind].fullmatch(lines) is not None


# ----------------------------------------------------------------------------------------------------------------------
# A playlist: the second, careful look


_Rule = Callable[[object], Fault | None]


def _integer(low: int, high: int) -> _Rule:
    def fault(value: object) -> Fault | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return Fault("wrong_type", f"is {_shown(value)}, not an integer")
        if not low <= value <= high:
            return Fault("out_of_range", f"is {_shown(value)}, not within {low} and {high}")
        return None

    return fault


def _text(value: object) -> Fault | None:
    return None if isinstance(value, str) else Fault("wrong_type", f"is {_shown(value)}, not a string")


def _name(value: object) -> Fault | None:
    return Fault("empty_name", 'is ""; a playlist has a name') if value == "" else _text(value)


def _collaborative(value: object) -> Fault | None:
    if not isinstance(value, bool | str):
        return Fault("wrong_type", f'is {_shown(value)}, not "true" or "false"')
    if value not in (True, False, "true", "false"):
        return Fault("bad_collaborative", f'is {_shown(value)}, not "true" or "false"')
    return None


def _uri(kind: str) -> _Rule:
    def fault(value: object) -> Fault | None:
        if not isinstance(value, str):
            return _text(value)
        if not _are_uris(kind, [value]):
            return Fault("bad_uri", f"is {_shown(value)}, not spotify:{kind}: and 22 of 0-9, A-Z, a-z")
        return None

    return fault


def _tracks(value: object) -> Fault | None:
    if not isinstance(value, list):
        return Fault("wrong_type", f"is {_shown(value)}, not an array")
    if not value:
        return Fault("empty_tracks", "is an empty array")
    for index, track in enumerate(value):
        if not isinstance(track, dict):
            return Fault("wrong_type", f"[{index}] is {_shown(track)}, not an object")
        if (fault := _first_fault(track, _TRACK_FIELDS)) is not None:
            return Fault(fault.reason, f"[{index}].{fault.detail}")
        if track["pos"] != index:
            return Fault("positions", f"[{index}].pos is {track['pos']}, not {index}")
    return None


_TRACK_FIELDS: dict[str, _Rule] = {
    "pos": _integer(0, _MAX_INTEGER),
    "track_uri": _uri("track"),
    "track_name": _text,
    "artist_uri": _uri("artist"),
    "artist_name": _text,
    "album_uri": _uri("album"),
    "album_name": _text,
    "duration_ms": _integer(0, _MAX_INTEGER),
}
_STRINGS_OF_A_TRACK = len(_TRACK_FIELDS) + 6  # the keys, three URIs and three names
_PLAYLIST_FIELDS: dict[str, _Rule] = {
    "pid": _integer(0, _MAX_PID),
    "name": _name,
    "description": _text,
    "collaborative": _collaborative,
    "modified_at": _integer(0, _MAX_TIMESTAMP),
    "num_tracks": _integer(0, _MAX_INTEGER),
    "num_albums": _integer(0, _MAX_INTEGER),
    "num_artists": _integer(0, _MAX_INTEGER),
    "num_followers": _integer(1, _MAX_INTEGER),
    "num_edits": _integer(1, _MAX_INTEGER),
    "duration_ms": _integer(0, _MAX_BIGINT),
    "tracks": _tracks,
}
_OPTIONAL_FIELDS = {"description"}


def _first_fault(document: Mapping[str, object], rules: Mapping[str, _Rule]) -> Fault | None:
    for name, rule in rules.items():
        if name not in document:
            if name not in _OPTIONAL_FIELDS:
                return Fault("missing_field", f"{name} is missing")
        elif (fault := rule(document[name])) is not None:
            separator = "" if fault.detail.startswith("[") else " "
            return Fault(fault.reason, f"{name}{separator}{fault.detail}")
    return None


def _check_carefully(raw: memoryview, text: bytes, ordinal: int) -> Playlist | Reject:
    document, fault = _parsed(text)
    if not isinstance(document, dict):
        fault = fault or Fault("not_an_object", f"the playlist is {_shown(document)}, not an object")
        return Reject(ordinal, None, *fault, text)
    pid = document.get("pid")
    fault = fault or _first_fault(document, _PLAYLIST_FIELDS)
    if fault is None:
        return _read_carefully(raw, ordinal, document)
    is_legible = isinstance(pid, int) and not isinstance(pid, bool) and abs(pid) <= _MAX_BIGINT
    return Reject(ordinal, pid if is_legible else None, *fault, text)


def _read_carefully(raw: memoryview, ordinal: int, document: dict[str, object]) -> Playlist:
    known = {name: document[name] for name in _PLAYLIST_FIELDS if name in document}
    tracks: list[dict[str, object]] = document["tracks"]  # type: ignore[assignment]
    known["tracks"] = [{name: track[name] for name in _TRACK_FIELDS} for track in tracks]
    fields = msgspec.convert(known, PlaylistFields)
    is_covered = known == document and isinstance(fields.collaborative, str)
    return Playlist(ordinal, raw, fields, _columns(fields), is_covered)


_SUSPECT_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_SURROGATE = re.compile("[\ud800-\udfff]")


def _parsed(raw: bytes) -> tuple[object, Fault | None]:
    """Decode JSON, and find the first thing in it that a `jsonb` would lose or refuse, whatever its fields mean."""
    faults: list[Fault] = []

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            faults.append(Fault("duplicate_key", f"the key {_shown(twice)} is there twice in one object"))
        return found

    def constant(name: str) -> None:
        faults.append(Fault("not_a_number", f"{name} is not JSON"))

    def decode(text: bytes | bytearray) -> object:
        return json.loads(
            text.decode(), object_pairs_hook=members, parse_constant=constant, parse_int=_whole, parse_float=_Real
        )

    try:
        document = decode(raw)
        too_deep = raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _depth(document) > MAX_DEPTH
    except RecursionError:
        document = decode(_blanked(raw, MAX_DEPTH))
        too_deep = True
    if too_deep:
        faults.append(Fault("too_deep", f"arrays and objects nest more than {MAX_DEPTH} levels deep"))
    if _SUSPECT_ESCAPE.search(raw) is not None:
        faults.extend(_text_faults(document))
    return document, faults[0] if faults else None


class _Real(float):
    """A number that is no integer, and its text, for 1e400 is infinite as a float."""

    text: str

    def __new__(cls, text: str) -> "_Real":
        number = super().__new__(cls, text)
        number.text = text
        return number


def _whole(digits: str) -> int:
    # Python refuses to convert thousands of digits; as many as these are beyond every limit anyway.
    return int(digits[:100])


def _depth(document: object) -> int:
    return max(depth for _, depth, _ in _values(document))


def _text_faults(document: object) -> Iterator[Fault]:
    for where, _, value in _values(document):
        if isinstance(value, str) and "\x00" in value:
            yield Fault("null_character", f"{_shown(where)} holds U+0000: {_shown(value)}")
        if isinstance(value, str) and _SURROGATE.search(value):
            yield Fault("lone_surrogate", f"{_shown(where)} holds half of a surrogate pair: {_shown(value)}")


def _values(document: object) -> Iterator[tuple[str, int, object]]:
    """Go through every value and key without recursion: where it stands, how deep (a container counts), and itself."""
    pending: list[tuple[str, int, object]] = [("", 0, document)]
    while pending:
        where, depth, value = pending.pop()
        if isinstance(value, dict):
            depth += 1
            pending.extend((f"a key of {where or 'the object'}", depth, key) for key in value)
            pending.extend((f"{where}.{key}" if where else key, depth, inner) for key, inner in value.items())
        elif isinstance(value, list):
            depth += 1
            pending.extend((f"{where}[{index}]", depth, inner) for index, inner in enumerate(value))
        yield where, depth, value


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, _Real):
        shown = value.text
    else:
        shown = json.dumps(value[:_SHOWN_CHARACTERS] if isinstance(value, str) else value)
    return shown if len(shown) <= _SHOWN_CHARACTERS else f"{shown[:_SHOWN_CHARACTERS]}..."
