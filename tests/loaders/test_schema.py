"""What splitting and validating promise."""

import codecs
import json
from pathlib import Path

import pytest
from builders import INFO, Json, encoded, playlist, slice_of, slice_of_raw, track, uri, without
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from loaders import schema
from loaders.schema import (
    PLAYLIST_REASONS,
    REASONS,
    SLICE_REASONS,
    Playlist,
    Reject,
    TrackColumns,
    check,
    require_utf8,
    split,
    validate,
)
from loaders.slices import SliceRefused

DOCS = Path(__file__).parents[2] / "docs" / "rejects.md"
DEEP = "[" * 10_000 + "]" * 10_000
DEEP_OBJECTS = '{"k": [' * 5_000 + "]}" * 5_000


def with_track(changes: Json) -> Json:
    return playlist(tracks=[track(0), track(1) | changes])


def with_text(text: str, old: str = '"Playlist 0"') -> bytes:
    """A clean playlist in which some text has been replaced, so that it need not be something that JSON can say."""
    clean = json.dumps(playlist())
    assert old in clean
    return clean.replace(old, text).encode()


def refusal_of(data: bytes) -> SliceRefused:
    with pytest.raises(SliceRefused) as refusal:
        split(data)
    return refusal.value


def checked(raw: bytes, ordinal: int = 0) -> Playlist | Reject:
    return check(memoryview(raw), ordinal)


def views(*raws: bytes) -> list[memoryview]:
    return [memoryview(raw) for raw in raws]


# A slice as a whole


def test_a_slice_comes_apart_into_views_of_the_bytes_it_had() -> None:
    raws = [
        b'{"a":  1}',
        '{ "b" : "ü\U0001f600\\u00e9\\"]}" }'.encode(),
        b"[ ]",
        b"null",
        b"{}",
        encoded(playlist()),
    ]

    data = slice_of_raw(raws)

    parts = split(data)

    assert parts.playlists == raws
    # A slice has 33 MB: it is held once.
    assert all(view.obj is data for view in parts.playlists)
    assert json.loads(parts.info) == INFO


def test_an_empty_slice_has_no_playlists() -> None:
    assert split(slice_of([])).playlists == []


def test_unknown_fields_of_the_root_are_passed_over() -> None:
    data = encoded({"playlists": [1, 2], "more": {"playlists": [3]}, "info": INFO, "date": "", "version": "v1"})

    assert split(data).playlists == [b"1", b"2"]


def test_a_byte_order_mark_is_passed_over() -> None:
    assert split(codecs.BOM_UTF8 + slice_of([1])).playlists == [b"1"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty_file"),
        (b" \r\n\t", "empty_file"),
        (codecs.BOM_UTF8, "empty_file"),
        (slice_of([playlist()]).decode().encode("utf-16"), "not_utf8"),
        (b'{"info": {"slice": "caf\xe9"}, "playlists": []}', "not_utf8"),
        (b'{"info": {"slice": "\xed\xa0\x80"}, "playlists": [NaN]}', "not_utf8"),
        (b'{"info": {}, "caf\xe9": 1, "playlists": []}', "not_utf8"),
        (b'{"info": {}, "more": "caf\xe9", "playlists": []}', "not_utf8"),
        (b'{"info": {}, "playlists": []}\xe9', "not_utf8"),
        (b"\xe9", "not_utf8"),
        (b"\x00" * 100, "not_json"),
        (b"<html></html>", "not_json"),
        (b"pid,name\n1,2\n", "not_json"),
        (slice_of([]) + slice_of([]), "not_json"),
        (slice_of([]) + b"\x00", "not_json"),
        (slice_of_raw([b"1,"]), "not_json"),
        (slice_of_raw([b"1 2"]), "not_json"),
        (slice_of_raw([b'{"a" 1}']), "not_json"),
        (slice_of_raw([b"{'a': 1}"]), "not_json"),
        (slice_of_raw([b"01"]), "not_json"),
        (slice_of_raw([b"1NaN"]), "not_json"),
        (slice_of_raw([b"1 NaN"]), "not_json"),
        (slice_of_raw([b"nan"]), "not_json"),
        (slice_of_raw([b'"a\nb"']), "not_json"),
        (slice_of_raw([b'"\\x41"']), "not_json"),
        (slice_of_raw([b'"\\ud80"']), "not_json"),
        (slice_of_raw([DEEP[:-1].encode()]), "not_json"),
        (b"[" * 100_000, "wrong_shape"),
        (b"[]", "wrong_shape"),
        (b"null", "wrong_shape"),
        (b'"playlists"', "wrong_shape"),
        (b"{}", "wrong_shape"),
        (encoded({"info": INFO}), "wrong_shape"),
        (encoded({"playlists": []}), "wrong_shape"),
        (encoded({"info": INFO, "playlists": None}), "wrong_shape"),
        (encoded({"info": INFO, "playlists": {}}), "wrong_shape"),
        (encoded({"info": "v1", "playlists": []}), "wrong_shape"),
        (b'{"info": {"slice": "\\u0000"}, "playlists": []}', "wrong_shape"),
        (b'{"info": {"slice": NaN}, "playlists": []}', "wrong_shape"),
        (b'{"info": {"slice": "\\ud800"}, "playlists": []}', "wrong_shape"),
        (b'{"info": {"slice": 1, "slice": 2}, "playlists": []}', "wrong_shape"),
        (f'{{"info": {{"slice": {DEEP}}}, "playlists": []}}'.encode(), "wrong_shape"),
        (b'{"info": {}, "playlists": [1], "playlists": [2]}', "wrong_shape"),
        (b'{"info": {}, "playlists": [1], "playlists": [1]}', "wrong_shape"),
        (b'{"playlists": [1], "info": {}, "playl\\u0069sts": [1, 2]}', "wrong_shape"),
        (b'{"info": {}, "info": {}, "playlists": [1]}', "wrong_shape"),
        (encoded({"date": "", "version": "v1", "playlists": [{"num_holdouts": 5}]}), "challenge_set"),
    ],
    ids=lambda value: str(value[:40]),
)
def test_a_slice_that_cannot_be_trusted_is_refused_as_a_whole(data: bytes, reason: str) -> None:
    refusal = refusal_of(data)

    assert refusal.reason == reason
    assert reason in SLICE_REASONS
    assert refusal.detail


@pytest.mark.parametrize("bad", [b"caf\xe9", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xc0\xaf"])
@pytest.mark.parametrize("where", ["name", "key", "unknown key", "track", "no playlist"])
def test_bytes_in_a_playlist_that_are_not_utf8_are_the_fault_of_the_slice(bad: bytes, where: str) -> None:
    # Which playlist was meant cannot be told from a slice in another encoding: it is not for `check` to reject.
    raw = {
        "name": with_text('"@@"').replace(b"@@", bad),
        "key": with_text('"na@@me"', old='"name"').replace(b"@@", bad),
        "unknown key": with_text('"x", "@@": 1').replace(b"@@", bad),
        "track": with_text('"@@"', old='"Album 3"').replace(b"@@", bad),
        "no playlist": b'"' + bad + b'"',
    }[where]
    data = slice_of_raw([encoded(playlist(1)), raw])

    with pytest.raises(UnicodeDecodeError):
        list(validate(split(data).playlists))
    with pytest.raises(SliceRefused, match=f"at byte {data.index(bad)}|at byte {data.index(bad) + 3}") as refusal:
        require_utf8(data)
    assert refusal.value.reason == "not_utf8"


@pytest.mark.parametrize("at", [0, 1, (1 << 20) - 2, (1 << 20) - 1, 1 << 20, (3 << 20) - 3])
def test_utf8_is_checked_piece_by_piece_as_if_it_were_one(at: int) -> None:
    emoji = "\U0001f600".encode()
    around = b" " * at, b" " * 5

    require_utf8(emoji.join(around))
    require_utf8(b" " * at + emoji)
    for bad in (emoji[:3], b"\xff"):
        for data in (bad.join(around), b" " * at + bad):
            with pytest.raises(SliceRefused, match=rf"at byte {at}\b"):
                require_utf8(data)


def test_a_slice_cut_anywhere_is_refused_and_the_refusal_says_so() -> None:
    data = slice_of([playlist(0, length=1, name='\U0001f600 \\ " NaN'), playlist(1, length=1)])

    for length in range(1, len(data)):
        refusal = refusal_of(data[:length])
        assert (refusal.reason, "truncated" in refusal.detail) == ("not_json", True), length


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (with_text("NaN"), "not_a_number"),
        (with_text("-Infinity"), "not_a_number"),
        (b"NaN", "not_a_number"),
        (b"-Infinity", "not_a_number"),
        (b"[Infinity]", "not_a_number"),
        (with_text('"x", "more": [NaN,NaN ,\t-Infinity\n]'), "not_a_number"),
        (with_text(r'"\ud83d"'), "lone_surrogate"),
        (with_text(r'"\ude00\ud83d"'), "lone_surrogate"),
        (with_text(f'"x", "more": {DEEP}'), "too_deep"),
        (with_text(f'"x", "more": {DEEP_OBJECTS}'), "too_deep"),
        (DEEP.encode(), "too_deep"),
        (with_text(f'NaN, "x": "\\ud83d", "more": {DEEP}'), None),
    ],
    ids=[
        "NaN",
        "Infinity",
        "bare NaN",
        "bare Infinity",
        "array of it",
        "several",
        "high",
        "low",
        "arrays",
        "objects",
        "no object",
        "all",
    ],
)
def test_what_stops_a_decoder_costs_one_playlist_and_not_its_neighbours(bad: bytes, reason: str | None) -> None:
    before = encoded(playlist(1, name="NaN, Infinity \\ud83d [[[ \U0001f600"))
    after = encoded(playlist(2, name='\\"NaN ]]'))

    first, reject, last = validate(split(slice_of_raw([before, bad, after])).playlists)

    assert isinstance(first, Playlist)
    assert isinstance(reject, Reject)
    assert isinstance(last, Playlist)
    assert (first.ordinal, first.fields.pid, first.raw) == (0, 1, before)
    assert (reject.ordinal, reject.raw) == (1, bad)
    assert (last.ordinal, last.fields.pid, last.raw) == (2, 2, after)
    assert reason is None or reject.reason == reason


def test_a_hostile_string_is_split_in_linear_time() -> None:
    # Millions of escapes, and no end: a pattern that goes back would take hours.
    data = b'{"info": {}, "playlists": ["' + rb"\"\\" * 500_000

    assert refusal_of(data).reason == "not_json"


# One playlist


KEPT = {
    "plain": encoded(playlist()),
    "official form": json.dumps(playlist(), indent=4).encode(),
    "blanks everywhere": json.dumps(playlist(), separators=(" ,\r\n", "\t: ")).encode(),
    "described": encoded(playlist(description="so ☃ \U0001f600")),
    "empty description": encoded(playlist(description="")),
    "boolean true": encoded(playlist(collaborative=True)),
    "boolean false": encoded(playlist(collaborative=False)),
    "string true": encoded(playlist(collaborative="true")),
    "blank name": encoded(playlist(name=" ")),
    "empty names of tracks": encoded(with_track({"track_name": "", "artist_name": "", "album_name": ""})),
    "a value that starts with a colon": encoded(playlist(name=":):", description='" :"":')),
    "an escaped backslash before u0000": with_text(r'"\\u0000"'),
    "surrogate pairs": with_text(r'"\ud83d\ude00\\ud800"'),
    "raw unicode": with_text('"\U0001f600\u0080\uffff"'),
    "escaped keys": with_text(r'"n\u0061me"', old='"name"'),
    "unknown fields": encoded(playlist(more={"a": [1.5, -0.0, None, 10**400]}) | {"tracks": [track(0, x="y")]}),
    "unknown floats": with_text('"x", "more": [1e2, 1e400, 1E-7]'),
    "negative zero": with_text('"pid": -0', old='"pid": 0'),
    "nested to the limit": with_text(f'"x", "more": {"[" * 255 + "]" * 255}'),
    "counts that disagree": encoded(playlist(num_tracks=0, num_albums=0, num_artists=2**31 - 1)),
    "one track": encoded(playlist(length=1)),
    "three hundred tracks": encoded(playlist(length=300)),
    "repeated track": encoded(playlist(tracks=[track(0, 1), track(1, 1)])),
    "largest values": encoded(
        playlist(999_999, num_followers=2**31 - 1, num_edits=2**31 - 1, duration_ms=2**63 - 1, modified_at=253402300799)
    ),
    "smallest values": encoded(
        playlist(0, num_albums=0, num_artists=0, duration_ms=0, modified_at=0)
        | {"tracks": [track(0, duration_ms=0)], "num_tracks": 0, "num_edits": 1}
    ),
}

REQUIRED = sorted(set(playlist()))
KNOWN = {*REQUIRED, "description"}
REQUIRED_OF_TRACKS = sorted(track(0))
BROKEN: dict[str, tuple[bytes, str]] = {
    **{
        f"{kind} for a playlist": (text.encode(), "not_an_object")
        for kind, text in {"number": "1", "string": '"x"', "null": "null", "array": "[]", "true": "true"}.items()
    },
    **{f"no {field}": (encoded(without(playlist(), field)), "missing_field") for field in REQUIRED},
    **{f"null {field}": (encoded(playlist() | {field: None}), "wrong_type") for field in [*REQUIRED, "description"]},
    **{f"object {field}": (encoded(playlist() | {field: {}}), "wrong_type") for field in [*REQUIRED, "description"]},
    **{
        f"no track {field}": (encoded(playlist(tracks=[track(0), without(track(1), field)])), "missing_field")
        for field in REQUIRED_OF_TRACKS
    },
    **{f"null track {field}": (encoded(with_track({field: None})), "wrong_type") for field in REQUIRED_OF_TRACKS},
    **{f"array track {field}": (encoded(with_track({field: []})), "wrong_type") for field in REQUIRED_OF_TRACKS},
    **{
        f"{value!r} as {field}": (encoded(playlist() | {field: value}), "wrong_type")
        for field in REQUIRED
        if field == "pid" or field.startswith(("num_", "modified", "duration"))
        for value in ("1", 1.0, True)
    },
    "1e0 as pid": (with_text("1e0", old="1493424000"), "wrong_type"),
    "1e400 as modified_at": (with_text("1e400", old="1493424000"), "wrong_type"),
    "number as name": (encoded(playlist(name=1)), "wrong_type"),
    "number as collaborative": (encoded(playlist(collaborative=1)), "wrong_type"),
    "no array of tracks": (encoded(playlist(tracks={"0": track(0)})), "wrong_type"),
    "null track": (encoded(playlist(tracks=[track(0), None])), "wrong_type"),
    "empty name": (encoded(playlist(name="")), "empty_name"),
    "empty tracks": (encoded(playlist(tracks=[])), "empty_tracks"),
    "collaborative in words": (encoded(playlist(collaborative="True")), "bad_collaborative"),
    "empty collaborative": (encoded(playlist(collaborative="")), "bad_collaborative"),
    **{
        f"{field} {value}": (encoded(playlist() | {field: value}), "out_of_range")
        for field, value in [
            ("pid", -1),
            ("pid", 1_000_000),
            ("pid", 2**64),
            ("modified_at", -1),
            ("modified_at", 253402300800),
            ("num_tracks", -1),
            ("num_tracks", 2**31),
            ("num_albums", -1),
            ("num_albums", 2**31),
            ("num_artists", -1),
            ("num_artists", 2**31),
            ("num_followers", 0),
            ("num_followers", 2**31),
            ("num_edits", 0),
            ("num_edits", 2**31),
            ("duration_ms", -1),
            ("duration_ms", 2**63),
        ]
    },
    "an integer of ten thousand digits": (with_text("9" * 10_000, old="1493424000"), "out_of_range"),
    "negative track duration": (encoded(with_track({"duration_ms": -1})), "out_of_range"),
    "long track duration": (encoded(with_track({"duration_ms": 2**31})), "out_of_range"),
    "negative pos": (encoded(with_track({"pos": -1})), "out_of_range"),
    "pos repeated": (encoded(with_track({"pos": 0})), "positions"),
    "pos with a gap": (encoded(with_track({"pos": 2})), "positions"),
    "pos from 1": (encoded(playlist(tracks=[track(1), track(2)])), "positions"),
    "pos out of order": (encoded(playlist(tracks=[track(1), track(0)])), "positions"),
    **{
        f"{kind} uri {value!r}": (encoded(with_track({f"{kind}_uri": value})), "bad_uri")
        for kind, other in (("track", "album"), ("artist", "track"), ("album", "artist"))
        for value in (
            "",
            "spotify:",
            uri(kind, 1)[:-1],
            uri(kind, 1) + "0",
            uri(other, 1),
            uri(kind, 1).upper(),
            uri(kind, 1)[:-1] + "_",
            uri(kind, 1)[:-1] + "é",
            uri(kind, 1)[:-1] + "٣",
            " " + uri(kind, 1)[:-1],
            uri(kind, 1) + "\n",
            uri(kind, 1) + "\n" + uri(kind, 1),
            uri(kind, 1)[:-2] + "\r\n",
        )
    },
    "uris that only fit together": (
        encoded(
            playlist(tracks=[track(0, track_uri=uri("track", 0) + "\n" + uri("track", 1)[:-1]), track(1, track_uri="")])
        ),
        "bad_uri",
    ),
    "duplicate pid": (with_text('"pid": 0, "pid": 0', old='"pid": 0'), "duplicate_key"),
    "duplicate description": (with_text('"x", "description": "a", "description": "b"'), "duplicate_key"),
    "duplicate key with a blank": (with_text('"pid"\n: 0, "pid": 0', old='"pid": 0'), "duplicate_key"),
    "duplicate key by escape": (with_text(r'"pid": 0, "p\u0069d": 0', old='"pid": 0'), "duplicate_key"),
    "duplicate key in a track": (with_text('"pos": 1, "pos": 1', old='"pos": 1'), "duplicate_key"),
    "duplicate unknown key": (with_text('"x", "more": [{"a": 1, "a": 1}]'), "duplicate_key"),
    "NaN": (with_text("NaN", old="1493424000"), "not_a_number"),
    "infinity in an unknown field": (with_text('"x", "more": [-Infinity]'), "not_a_number"),
    **{
        f"repeated {key} beside {value}": (with_text(f'{value}, "{key}": {again}'), "duplicate_key")
        # Each value is one that could hide quotes from who counts them.
        for value in (r'"\""', r'"\\"', r'"\\\""', r'"\"\"\"\""', r'"\u0022"', r'"\u005c\u0022"', r'"\\u0022"')
        for key, again in (("name", '"x"'), ("pid", "1"), (r"n\u0061me", '"x"'))
    },
    # Two quotes that only look escaped, against the two of a key that is there once more.
    "a repeated number beside two closing backslashes": (
        with_text(r'"\\", "description": "\\", "pid": 0'),
        "duplicate_key",
    ),
    "a repeated key in a track beside quotes": (
        with_text(r'"\"\"", "pos": 0', old='"Album 0"'),
        "duplicate_key",
    ),
    "a repeated description": (with_text(r'"x", "description": "\"", "description": "\\"'), "duplicate_key"),
    "a repeated collaborative, as a boolean": (with_text('"x", "collaborative": true'), "duplicate_key"),
    "U+0000 in the name": (with_text(r'"\u0000"'), "null_character"),
    "U+0000 after a backslash": (with_text(r'"\\\u0000"'), "null_character"),
    "U+0000 in a track": (encoded(with_track({"album_name": "a\0b"})), "null_character"),
    "U+0000 in an unknown key": (with_text(r'"x", "more": {"\u0000": 1}'), "null_character"),
    "U+0000 deep down": (encoded(playlist(more=[[[{"a": ["\0"]}]]])), "null_character"),
    "half a pair in the name": (with_text(r'"\uD83D"'), "lone_surrogate"),
    "half a pair in an unknown key": (with_text(r'"x", "more": {"\udE00": 1}'), "lone_surrogate"),
    "pair the wrong way round": (with_text(r'"\ude00\ud83d"'), "lone_surrogate"),
    "one level too deep": (with_text(f'"x", "more": {"[" * 256 + "]" * 256}'), "too_deep"),
    "one object too deep": (with_text('"x", "more": ' + '{"a":' * 256 + "1" + "}" * 256), "too_deep"),
}


def held(kept: Playlist) -> tuple[Json, list[Json]]:
    """What a playlist that was kept says of itself and of its tracks, by field."""
    fields = {name: getattr(kept.fields, name) for name in KNOWN if getattr(kept.fields, name) is not UNSET}
    names = TrackColumns._fields
    return without(fields, "tracks"), [
        dict(zip(names, values, strict=True)) for values in zip(*kept.tracks, strict=True)
    ]


@pytest.mark.parametrize("raw", KEPT.values(), ids=KEPT)
def test_an_odd_but_sound_playlist_is_kept_as_it_is(raw: bytes) -> None:
    kept = checked(raw, 7)

    assert isinstance(kept, Playlist)
    assert (kept.ordinal, kept.raw) == (7, raw)
    document = json.loads(raw)
    tracks = document.pop("tracks")
    known = {name: value for name, value in document.items() if name in KNOWN}
    assert held(kept) == (known, [{name: each[name] for name in REQUIRED_OF_TRACKS} for each in tracks])
    assert type(kept.fields.collaborative) is type(document["collaborative"])


@pytest.mark.parametrize("raw", KEPT.values(), ids=KEPT)
def test_a_playlist_is_covered_by_its_fields_if_nothing_else_is_in_it(raw: bytes) -> None:
    kept = checked(raw)

    assert isinstance(kept, Playlist)
    document = json.loads(raw)
    unknown = set(document) - KNOWN or any(set(each) != set(REQUIRED_OF_TRACKS) for each in document["tracks"])
    assert kept.is_covered == (not unknown and isinstance(document["collaborative"], str))


@pytest.mark.parametrize(("raw", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_playlist_is_rejected_with_its_reason_and_its_bytes(raw: bytes, reason: str) -> None:
    reject = checked(raw, 7)

    assert isinstance(reject, Reject)
    assert (reject.ordinal, reject.reason, reject.raw) == (7, reason, raw)
    assert 0 < len(reject.detail) < 400
    assert reject.detail.isprintable()


def test_a_repeated_pid_keeps_the_first_sound_playlist() -> None:
    raws = [encoded(playlist(5, name="")), encoded(playlist(5)), encoded(playlist(5)), encoded(playlist(6))]

    empty, sound, repeated, other = validate(views(*raws))

    assert isinstance(empty, Reject)
    assert (empty.ordinal, empty.pid, empty.reason) == (0, 5, "empty_name")
    assert isinstance(sound, Playlist)
    assert (sound.ordinal, sound.fields.pid) == (1, 5)
    assert isinstance(repeated, Reject)
    assert (repeated.ordinal, repeated.pid, repeated.reason, repeated.raw) == (2, 5, "repeated_pid", raws[2])
    assert isinstance(other, Playlist)
    assert (other.ordinal, other.fields.pid) == (3, 6)


def test_the_bytes_of_a_reject_are_its_own() -> None:
    # A view would keep the 33 MB around it, and a worker could not hand it over.
    bad, _, repeated = validate(views(encoded(playlist(5, name="")), encoded(playlist(5)), encoded(playlist(5))))

    assert isinstance(bad, Reject)
    assert isinstance(repeated, Reject)
    assert (type(bad.raw), type(repeated.raw)) == (bytes, bytes)


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        (playlist(num_followers="3"), 'num_followers is "3", not an integer'),
        (playlist(num_edits=0), "num_edits is 0, not within 1 and 2147483647"),
        (without(playlist(), "name"), "name is missing"),
        (with_track({"pos": 4}), "tracks[1].pos is 4, not 1"),
        (with_track({"track_uri": "x"}), 'tracks[1].track_uri is "x", not spotify:track: and 22 of 0-9, A-Z, a-z'),
        (playlist(tracks=[7]), "tracks[0] is 7, not an object"),
    ],
)
def test_the_detail_names_the_field_and_the_value(document: Json, detail: str) -> None:
    reject = checked(encoded(document))

    assert isinstance(reject, Reject)
    assert reject.detail == detail


@pytest.mark.parametrize(
    ("value", "pid"), [(-1, -1), (2**40, 2**40), (2**63, None), (True, None), ("5", None), (None, None), (1.0, None)]
)
def test_a_reject_tells_the_pid_where_it_is_an_integer(value: object, pid: int | None) -> None:
    reject = checked(encoded(playlist(pid=0) | {"pid": value}))

    assert isinstance(reject, Reject)
    assert reject.pid == pid


@pytest.mark.parametrize(
    "document",
    [
        playlist(),
        playlist(3, 250, description="é \U0001f600", collaborative="true"),
        playlist(length=1),
        playlist(name='"a" \\ "b"\\\\', description='\\"', tracks=[track(0, track_name='7" \\', album_name='\\\\"')]),
        playlist(
            name="tab\t, break\n, \x01, @quoted@", tracks=[track(0, track_name="", artist_name="", album_name="")]
        ),
    ],
)
def test_clean_playlists_of_the_official_form_need_no_second_look(
    document: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(schema, "_check_carefully")

    assert isinstance(checked(json.dumps(document, indent=4).encode()), Playlist)
    assert isinstance(checked(json.dumps(document, separators=(" ,\r\n", " :\t")).encode()), Playlist)
    assert isinstance(checked(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()), Playlist)
    assert isinstance(checked(json.dumps(document).replace("@", r"\u0022").encode()), Playlist)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([0, 1, uri("track", 3)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("number", ["1e400", "-1E+2", "1.0", "0.10", "1" * 90 + ".5"])
def test_a_number_at_fault_is_shown_as_it_stands(number: str) -> None:
    found = check(memoryview(with_text(number, old="1493424000")), 0)

    assert isinstance(found, Reject)
    shown = number if len(number) <= 80 else number[:80] + "..."
    assert (found.reason, found.detail) == ("wrong_type", f"modified_at is {shown}, not an integer")


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    changes=st.dictionaries(st.sampled_from([*REQUIRED, "description", "more"]), VALUES, max_size=2),
    of_track=st.dictionaries(st.sampled_from([*REQUIRED_OF_TRACKS, "more"]), VALUES, max_size=2),
    ascii_only=st.booleans(),
)
def test_the_quick_and_the_careful_look_agree(changes: Json, of_track: Json, ascii_only: bool) -> None:
    text = json.dumps(with_track(of_track) | changes, ensure_ascii=ascii_only)
    raw = text.encode("utf-8")

    assert checked(raw) == schema._check_carefully(memoryview(raw), raw, 0)


# The documentation


def test_every_reason_of_a_playlist_is_reached_by_a_test() -> None:
    reached_elsewhere = {"repeated_pid", "refused_by_database"}

    assert {reason for _, reason in BROKEN.values()} | reached_elsewhere == set(PLAYLIST_REASONS)


def test_the_page_on_rejects_lists_the_reasons_and_no_others() -> None:
    tables, _ = DOCS.read_text("utf-8").split("## The rules")
    rows = [line.strip("| ").split(" | ") for line in tables.splitlines() if line.startswith("| `")]

    assert [(code.strip("`"), explanation) for code, explanation in rows] == [
        *SLICE_REASONS.items(),
        *PLAYLIST_REASONS.items(),
    ]
    assert set(REASONS) == {*SLICE_REASONS, *PLAYLIST_REASONS}
