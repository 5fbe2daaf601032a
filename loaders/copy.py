"""Land the playlists of one slice: binary COPY, and a new version where the content of a pid has changed."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import LiteralString, NamedTuple

import psycopg
from msgspec import UNSET
from psycopg import Connection, sql

from loaders.schema import Playlist, Reject

# What PostgreSQL says of a value that it cannot hold, and never of a server in trouble.
UNSTORABLE = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded, psycopg.errors.StatementTooComplex)
# What it says of rows of ours that are wrong in themselves.
_MISMADE = (psycopg.errors.BadCopyFileFormat, psycopg.errors.InvalidBinaryRepresentation)

_ARRAYS = ("track_ids", "track_names", "album_ids", "album_names", "artist_ids", "artist_names", "track_durations_ms")
_CONTENT = (
    *("collaborative", "modified_at", "num_tracks", "num_albums", "num_artists", "num_followers", "num_edits"),
    *("duration_ms", "name", "description", *_ARRAYS, "document"),
)
_COLUMNS = ("pid", "slice_id", "ordinal", *_CONTENT)

_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_TRAILER = struct.pack(">h", -1)
# Each field is its length and its value. First comes the number of fields, then those of a fixed length.
_KEY = struct.Struct(">h ii ii ii")
_FIXED = struct.Struct(">i? iq ii ii ii ii ii iq")
_LENGTH = struct.Struct(">i")
_NULL = _LENGTH.pack(-1)
_JSONB_VERSION = b"\x01"
# Of an array: its length, number of dimensions, whether it holds a null, type, number of elements, and first index.
_ARRAY = struct.Struct(">i iiIii")
_TEXT, _INTEGER = 25, 23
_ID_LENGTH = "\0\0\0\x16"  # of the 22 characters of an id, as text
_SHORT_LENGTHS = [_LENGTH.pack(length) for length in range(1024)]
_PIECE = 1 << 20


class PackedPlaylist(NamedTuple):
    """A playlist as a row of binary COPY.

    Attributes:
        ordinal: Its position in the slice, from 0.
        pid: Its number in the dataset.
        raw: Its bytes as they stood.
        row: The row, without the fields that say where it comes from.
    """

    ordinal: int
    pid: int
    raw: memoryview
    row: bytes


@dataclass(frozen=True)
class Landed:
    """What became of the playlists of one slice.

    Attributes:
        landed: Playlists stored, new or changed.
        unchanged: Playlists that the database held already with the same content.
        superseding: Of `landed`, those of which the database held another version.
        rejects: Playlists that PostgreSQL could not store.
    """

    landed: int
    unchanged: int
    superseding: int
    rejects: list[Reject]


# ----------------------------------------------------------------------------------------------------------------------
# Rows


def pack(playlist: Playlist) -> PackedPlaylist:
    """Make the row of a playlist.

    The format of binary COPY, and of arrays in it, is that of PostgreSQL's documentation of COPY and of `array_send`.
    """
    fields, tracks = playlist.fields, playlist.tracks
    name = fields.name.encode()
    fixed = _FIXED.pack(
        *(1, fields.collaborative in (True, "true"), 8, fields.modified_at),
        *(4, fields.num_tracks, 4, fields.num_albums, 4, fields.num_artists),
        *(4, fields.num_followers, 4, fields.num_edits, 8, fields.duration_ms),
    )
    count = len(tracks.pos)
    parts = (
        fixed,
        _LENGTH.pack(len(name)),
        name,
        _NULL if fields.description is UNSET else _texts([fields.description]),
        _array(_TEXT, count, _ids("track", tracks.track_uri)),
        _array(_TEXT, count, _texts(tracks.track_name)),
        _array(_TEXT, count, _ids("album", tracks.album_uri)),
        _array(_TEXT, count, _texts(tracks.album_name)),
        _array(_TEXT, count, _ids("artist", tracks.artist_uri)),
        _array(_TEXT, count, _texts(tracks.artist_name)),
        _array(_INTEGER, count, _integers(tracks.duration_ms)),
        *((_NULL,) if playlist.is_covered else (_LENGTH.pack(len(playlist.raw) + 1), _JSONB_VERSION, playlist.raw)),
    )
    return PackedPlaylist(playlist.ordinal, fields.pid, playlist.raw, b"".join(parts))


def _array(element: int, count: int, elements: bytes) -> bytes:
    return _ARRAY.pack(_ARRAY.size - _LENGTH.size + len(elements), 1, 0, element, count, 1) + elements


def _ids(kind: str, uris: Sequence[str]) -> bytes:
    # Each URI is its prefix and an id of one length, as validation has found.
    return ("\n" + "\n".join(uris)).replace(f"\nspotify:{kind}:", _ID_LENGTH).encode()


def _texts(texts: Sequence[str]) -> bytes:
    encoded = list(map(str.encode, texts))
    lengths = list(map(len, encoded))
    if max(lengths) < len(_SHORT_LENGTHS):
        packed: Iterable[bytes] = map(_SHORT_LENGTHS.__getitem__, lengths)
    else:
        packed = map(_LENGTH.pack, lengths)
    return b"".join(chain.from_iterable(zip(packed, encoded, strict=True)))


def _integers(numbers: Sequence[int]) -> bytes:
    pairs = chain.from_iterable(zip(repeat(4), numbers, strict=False))
    return struct.pack(f">{2 * len(numbers)}i", *pairs)


# ----------------------------------------------------------------------------------------------------------------------
# Landing


def land(connection: Connection, slice_id: int, playlists: Sequence[PackedPlaylist]) -> Landed:
    """Store the playlists of a slice, within the transaction of the caller.

    Args:
        connection: In a transaction that has taken the turn, and then written the ledger row of the slice.
        slice_id: Key of that row, larger than that of any version that is held.
        playlists: With distinct pids.

    Raises:
        psycopg.errors.UniqueViolation: Another session has landed the same playlists meanwhile, without a turn. Begin
            again with a new transaction.
    """
    held = _held_pids(connection, [playlist.pid for playlist in playlists])
    new = [playlist for playlist in playlists if playlist.pid not in held]
    rejects = _copy_storable(connection, "staging.playlists", slice_id, new)
    landed = len(new) - len(rejects)
    if not held:
        return Landed(landed, 0, 0, rejects)
    again = _land_returning(connection, slice_id, [playlist for playlist in playlists if playlist.pid in held])
    return Landed(landed + again.landed, again.unchanged, again.superseding, rejects + again.rejects)


def _held_pids(connection: Connection, pids: list[int]) -> set[int]:
    rows = connection.execute(
        "select pid from staging.playlists where superseded_at is null and pid = any(%s)", [pids]
    ).fetchall()
    return {pid for (pid,) in rows}


def _land_returning(connection: Connection, slice_id: int, playlists: Sequence[PackedPlaylist]) -> Landed:
    connection.execute("create temporary table incoming (like staging.playlists including defaults) on commit drop")
    rejects = _copy_storable(connection, "pg_temp.incoming", slice_id, playlists)
    unchanged = connection.execute(_DELETE_UNCHANGED).rowcount
    connection.execute(
        "update staging.playlists as held set superseded_at = incoming.landed_at from pg_temp.incoming"
        " where held.pid = incoming.pid and held.superseded_at is null"
    )
    landed = connection.execute("insert into staging.playlists select * from pg_temp.incoming").rowcount
    return Landed(landed, unchanged, landed, rejects)


_DELETE_UNCHANGED = sql.SQL(
    """
    delete from pg_temp.incoming
    using staging.playlists as held
    where held.pid = incoming.pid and held.superseded_at is null and ({held}) is not distinct from ({incoming})
    """
).format(
    held=sql.SQL(", ").join(sql.Identifier("held", column) for column in _CONTENT),
    incoming=sql.SQL(", ").join(sql.Identifier("incoming", column) for column in _CONTENT),
)


def _copy_storable(
    connection: Connection, table: LiteralString, slice_id: int, playlists: Sequence[PackedPlaylist]
) -> list[Reject]:
    """COPY all playlists that PostgreSQL can store, finding the others by halves, and return those."""
    if not playlists:
        return []
    try:
        with connection.transaction():
            _copy(connection, table, slice_id, playlists)
    except UNSTORABLE as error:
        if isinstance(error, _MISMADE):
            raise
        if len(playlists) == 1:
            [playlist] = playlists
            message = error.diag.message_primary or "no message"
            return [Reject(playlist.ordinal, playlist.pid, "refused_by_database", message, bytes(playlist.raw))]
        middle = len(playlists) // 2
        return [
            *_copy_storable(connection, table, slice_id, playlists[:middle]),
            *_copy_storable(connection, table, slice_id, playlists[middle:]),
        ]
    return []


def _copy(connection: Connection, table: LiteralString, slice_id: int, playlists: Sequence[PackedPlaylist]) -> None:
    statement = sql.SQL("copy " + table + " ({}) from stdin with (format binary)").format(
        sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
    )
    with connection.cursor().copy(statement) as copy:
        piece = [_HEADER]
        size = 0
        for playlist in playlists:
            piece.append(_KEY.pack(len(_COLUMNS), 4, playlist.pid, 4, slice_id, 4, playlist.ordinal))
            piece.append(playlist.row)
            size += len(playlist.row)
            if size >= _PIECE:
                copy.write(b"".join(piece))
                piece.clear()
                size = 0
        copy.write(b"".join([*piece, _TRAILER]))
