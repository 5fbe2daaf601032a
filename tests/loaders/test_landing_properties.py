"""What becomes of a slice that was sound once, whatever was done to it since."""

import json
import re
from collections.abc import Iterator
from contextlib import closing, nullcontext
from decimal import Decimal
from pathlib import Path

import pytest
from builders import INFO, Json, encoded, playlist, slice_of, track, uri, write_slice
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from loaders.load import LoadReport, load
from loaders.schema import PLAYLIST_REASONS
from warehouse.database import connect

HEAD = b'{"info": ' + encoded(INFO) + b', "playlists": ['
TAIL = b"]}"
BLANK = re.compile(r"[ \t\r\n]*")

BASE = [
    playlist(0, 2),
    playlist(1, 1, description='so "☃" \U0001f600\\'),
    playlist(2, 3, collaborative="true", name="\t'&amp;\\N{,}\""),
    playlist(3, 1, more={"of": [1.5, None]}),
]
FIELDS = sorted({*BASE[1]})
FIELDS_OF_TRACKS = sorted(track(0))

# ----------------------------------------------------------------------------------------------------------------------
# What is done to a playlist: to its object, to its text, and to its bytes

TEXTS = ["", " ", "\0", "\ud800", "\ude00\ud83d", '\\"', "\\", "\n\x01\x7f", "é\U0001f600\uffff", "x" * 1_024, "NaN"]
NUMBERS = [0, -1, 1, 1.0, 1e2, -0.0, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**40, 999_999, 1_000_000]
VALUES: list[object] = [
    *(None, True, False, "true", "false", "True", [], {}, [[]], {"a": {"a": ["\0"]}}, [track(0)], [None]),
    *TEXTS,
    *NUMBERS,
    *(uri(kind, 7) for kind in ("track", "album", "artist")),
    *(uri("track", 7)[:-1], uri("track", 7) + "\n", uri("track", 7)[:-1] + "é"),
]
# What is wrong, or only looks wrong, inside one playlist: values twice, numbers out of reach, halves of characters.
RAW_VALUES = [
    *("NaN", "-Infinity", "Infinity", "1e400", "1e-7", "1e200000", "-0", "9" * 5_000),
    *(r'"\ud83d"', r'"\ud83d\ude00"', r'"\u0000"', r'"\\u0000"', r'"\u0022\""', "[" * 400 + "]" * 400),
    *('{"a": 1, "a": 1}', '{"a": 1, "\\u0061": 1}', '{"a":' * 255 + "0" + "}" * 255, '{"a":' * 256 + "0" + "}" * 256),
]
# What is the end of a slice, for nobody can tell where the next playlist begins.
BREAKING_VALUES = ["01", "1NaN", "nul", "'x'", "", r'"\x41"', '"\t"', "{{{", '"', "]", "}", '"\ud800"', "1, 2", "[1]2"]
UNKNOWN = ["more", "", "\0", "\udc00", 'key "', "Pid"]

# Whether the track with this number is meant, instead of the playlist itself.
PLACES = st.none() | st.integers(0, 2)


def target(document: Json, place: int | None) -> Json:
    tracks = document.get("tracks")
    if place is not None and isinstance(tracks, list) and tracks and isinstance(tracks[place % len(tracks)], dict):
        return tracks[place % len(tracks)]
    return document


def copied(document: Json) -> Json:
    copy: Json = json.loads(json.dumps(document))
    return copy


@st.composite
def changed_objects(draw: st.DrawFn) -> Json:
    document = copied(draw(st.sampled_from(BASE)))
    for _ in range(draw(st.integers(0, 2))):
        change = draw(st.sampled_from(["drop", "replace", "replace", "add", "pid"]))
        place = draw(PLACES)
        found = target(document, place)
        fields = st.sampled_from(FIELDS if found is document else FIELDS_OF_TRACKS)
        if change == "drop":
            found.pop(draw(fields), None)
        elif change == "replace":
            found[draw(fields)] = draw(st.sampled_from(VALUES))
        elif change == "add":
            found[draw(st.sampled_from(UNKNOWN))] = draw(st.sampled_from(VALUES))
        else:
            document["pid"] = draw(st.integers(0, 4))
    return document


@st.composite
def changed_playlists(draw: st.DrawFn, breaking: bool) -> bytes:
    """A playlist that was sound once; if it is `breaking`, it may take the whole slice with it."""
    document = draw(changed_objects())
    raw_values = RAW_VALUES + BREAKING_VALUES if breaking else RAW_VALUES
    text = json.dumps(
        document,
        ensure_ascii=not breaking or draw(st.booleans()),
        separators=draw(st.sampled_from([(", ", ": "), (",", ":"), (" ,\r\n", "\t: ")])),
    )
    change = draw(st.sampled_from(["none", "none", "none", "value", "repeat", "bare"]))
    if change in ("value", "repeat"):
        members = list(re.finditer(r'"(\w+)"\s*:\s*("(?:[^"\\]|\\.)*"|[\w.+-]+)', text))
        if members:
            member = draw(st.sampled_from(members))
            value = draw(st.sampled_from([*raw_values, member[2]]))
            key = draw(st.sampled_from([member[1], f"\\u{ord(member[1][0]):04x}{member[1][1:]}", "more"]))
            if change == "value":
                text = text[: member.start(2)] + value + text[member.end(2) :]
            else:
                text = f'{text[: member.end()]}, "{key}": {value}{text[member.end() :]}'
    elif change == "bare":
        text = draw(st.sampled_from([*raw_values, *(json.dumps(value) for value in VALUES)]))
    # A lone surrogate that was not escaped becomes bytes that are not UTF-8.
    raw = bytearray(text.encode("utf-8", "surrogatepass"))
    if breaking and raw and draw(st.booleans()):
        for _ in range(draw(st.integers(1, 3))):
            at = draw(st.integers(0, len(raw) - 1))
            raw[at] = draw(st.sampled_from([raw[at] ^ 1 << draw(st.integers(0, 7)), *b'"\\{}[],: 0\x00\xff']))
    return bytes(raw)


# ----------------------------------------------------------------------------------------------------------------------
# What should become of it, without the code that does it


def exact(text: str) -> object:
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)


def elements_of(data: bytes) -> list[bytes] | None:
    """The elements of the playlists array as they stand, by the decoder of Python; None if there is no such array."""
    decoder = json.JSONDecoder(parse_int=Decimal, parse_float=Decimal)
    try:
        text = data[len(HEAD) :].decode()
        position = blank_end(text, 0)
        found: list[bytes] = []
        while text[position] != "]" or found:
            _, end = decoder.raw_decode(text, position)
            found.append(text[position:end].encode())
            position = blank_end(text, end)
            if text[position] == "]":
                break
            if text[position] != ",":
                return None
            position = blank_end(text, position + 1)
        return found if text[position:] == TAIL.decode() else None
    except (ValueError, IndexError):
        return None


def blank_end(text: str, position: int) -> int:
    match = BLANK.match(text, position)
    assert match is not None
    return match.end()


def loses_nothing(raw: bytes) -> bool:
    """Whether a JSON object may land at all: `jsonb` would keep everything that is in it."""

    def members(pairs: list[tuple[str, object]]) -> object:
        assert len(dict(pairs)) == len(pairs)
        assert not any(set(key) & SURROGATES_AND_NULL for key, _ in pairs)
        assert not any(isinstance(value, str) and set(value) & SURROGATES_AND_NULL for _, value in pairs)
        return dict(pairs)

    def constant(name: str) -> object:
        raise AssertionError(name)

    json.loads(raw, object_pairs_hook=members, parse_constant=constant, parse_int=Decimal, parse_float=Decimal)
    return True


SURROGATES_AND_NULL = {chr(0), *map(chr, range(0xD800, 0xE000))}


# ----------------------------------------------------------------------------------------------------------------------
# What becomes of it


@pytest.fixture
def session(database: str) -> Iterator[Connection]:
    """One session for the loads of all examples, and for what looks at them."""
    with closing(connect(autocommit=True)) as connection:
        yield connection


def loaded(session: Connection, path: Path) -> LoadReport:
    return load(lambda *, autocommit: nullcontext(session), [path])


def documents(session: Connection) -> dict[int, object]:
    rows = session.execute("select pid, doc::text from staging.playlist_documents").fetchall()
    return {pid: exact(doc) for pid, doc in rows}


def last_slice(session: Connection) -> int:
    [(slice_id,)] = session.execute("select max(slice_id) from staging.slices").fetchall()
    return int(slice_id)


def stored(session: Connection, slice_id: int) -> dict[int, int]:
    """The position of each playlist that a slice stored, by pid."""
    return dict(
        session.execute("select pid, ordinal from staging.playlists where slice_id = %s", [slice_id]).fetchall()
    )


def rejects(session: Connection, slice_id: int) -> dict[int, tuple[str, bytes]]:
    rows = session.execute(
        "select ordinal, reason, raw from staging.rejects where slice_id = %s", [slice_id]
    ).fetchall()
    return {ordinal: (reason, raw) for ordinal, reason, raw in rows}


@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    # One database for all examples: each begins by emptying its tables.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
@given(
    changed=st.sampled_from([False, False, True]).flatmap(
        lambda broken: st.lists(changed_playlists(broken), max_size=5)
    ),
    held_before=st.booleans(),
    blank=st.sampled_from([b"", b"\n "]),
)
def test_every_playlist_of_a_changed_slice_lands_or_is_a_reject_or_the_slice_is_refused(
    tmp_path: Path, session: Connection, changed: list[bytes], held_before: bool, blank: bytes
) -> None:
    session.execute("delete from staging.rejects; delete from staging.playlists; delete from staging.slices")
    before: dict[int, object] = {}
    if held_before:
        loaded(session, write_slice(tmp_path, 1_000, slice_of(BASE)))
        before = documents(session)
        assert len(before) == len(BASE)
    sound = encoded(playlist(9))
    data = HEAD + (blank + b"," + blank).join([*changed, sound]) + blank + TAIL
    elements = elements_of(data)

    [outcome] = loaded(session, write_slice(tmp_path, 0, data)).slices

    slice_id = last_slice(session)
    landed, kept = stored(session, slice_id), rejects(session, slice_id)
    if elements is None:
        assert (outcome.outcome, landed, kept, documents(session)) == ("refused", {}, {}, before)
        return
    assert outcome.outcome == "landed", outcome
    assert (outcome.landed, outcome.rejected) == (len(landed), len(kept))
    # Each element is a reject, as it stood, or the current version of its playlist; none is both, and none is lost.
    assert outcome.landed + outcome.unchanged + outcome.rejected == len(elements)
    assert all(reason in PLAYLIST_REASONS and raw == elements[ordinal] for ordinal, (reason, raw) in kept.items())
    expected = {}
    for ordinal, raw in enumerate(elements):
        if ordinal not in kept:
            assert loses_nothing(raw)
            document = exact(raw.decode())
            assert isinstance(document, dict)
            expected[int(document["pid"])] = document
            assert landed.get(int(document["pid"]), ordinal) == ordinal
    assert len(expected) == outcome.landed + outcome.unchanged
    assert landed.keys() <= expected.keys()
    assert documents(session) == before | expected
    # What nothing was done to is never lost to what was done beside it.
    assert len(elements) - 1 not in kept or kept[len(elements) - 1][0] == "repeated_pid"
    assert documents(session)[9] == playlist(9)
