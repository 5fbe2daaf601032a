"""Land the playlists of one slice: binary COPY, and a new version where the content of a pid has changed."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import Connection, sql

from loaders.schema import Playlist, Reject

_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_TRAILER = struct.pack(">h", -1)
# Number of columns; length and value of pid, slice_id and ordinal; length of the document; version of binary jsonb.
_ROW = struct.Struct(">h iiiiii iB")
_JSONB_VERSION = 1

# What PostgreSQL says of a value that it cannot hold, and never of a server in trouble.
UNSTORABLE = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded, psycopg.errors.StatementTooComplex)


@dataclass(frozen=True)
class Landed:
    """What became of the playlists of one slice.

    Attributes:
        landed: Playlists stored, new or changed.
        unchanged: Playlists that the database held already with the same content.
        superseding: Of `landed`, those that replaced an earlier version.
        rejects: Playlists that PostgreSQL could not store.
    """

    landed: int
    unchanged: int
    superseding: int
    rejects: list[Reject]


def land(connection: Connection, slice_id: int, playlists: Sequence[Playlist]) -> Landed:
    """Store the playlists of a slice, within the transaction of the caller.

    Args:
        connection: In a transaction that has the ledger row of the slice.
        slice_id: Key of that row.
        playlists: With distinct pids.
    """
    held = _held_pids(connection, [playlist.pid for playlist in playlists])
    new = [playlist for playlist in playlists if playlist.pid not in held]
    rejects = _copy_storable(connection, "staging.playlists", slice_id, new)
    landed = len(new) - len(rejects)
    if not held:
        return Landed(landed, 0, 0, rejects)
    returning = [playlist for playlist in playlists if playlist.pid in held]
    again = _land_returning(connection, slice_id, returning)
    return Landed(landed + again.landed, again.unchanged, again.superseding, rejects + again.rejects)


def _held_pids(connection: Connection, pids: list[int]) -> set[int]:
    rows = connection.execute(
        "select pid from staging.playlists where superseded_at is null and pid = any(%s)", [pids]
    ).fetchall()
    return {pid for (pid,) in rows}


def _land_returning(connection: Connection, slice_id: int, playlists: Sequence[Playlist]) -> Landed:
    connection.execute(
        "create temporary table incoming (pid integer primary key, slice_id integer, ordinal integer, doc jsonb)"
        " on commit drop"
    )
    rejects = _copy_storable(connection, "pg_temp.incoming", slice_id, playlists)
    unchanged = connection.execute(
        "delete from pg_temp.incoming using staging.playlists as held"
        " where held.pid = incoming.pid and held.superseded_at is null and held.doc = incoming.doc"
    ).rowcount
    superseding = connection.execute(
        "update staging.playlists as held set superseded_at = now() from pg_temp.incoming"
        " where held.pid = incoming.pid and held.superseded_at is null"
    ).rowcount
    landed = connection.execute(
        "insert into staging.playlists (pid, slice_id, ordinal, doc)"
        " select pid, slice_id, ordinal, doc from pg_temp.incoming"
    ).rowcount
    return Landed(landed, unchanged, superseding, rejects)


def _copy_storable(
    connection: Connection, table: LiteralString, slice_id: int, playlists: Sequence[Playlist]
) -> list[Reject]:
    """COPY all playlists that PostgreSQL can store, finding the others by halves, and return those."""
    if not playlists:
        return []
    try:
        with connection.transaction():
            _copy(connection, table, slice_id, playlists)
    except UNSTORABLE as error:
        if len(playlists) == 1:
            [playlist] = playlists
            message = error.diag.message_primary or "no message"
            return [Reject(playlist.ordinal, playlist.pid, "refused_by_database", message, playlist.raw)]
        middle = len(playlists) // 2
        return [
            *_copy_storable(connection, table, slice_id, playlists[:middle]),
            *_copy_storable(connection, table, slice_id, playlists[middle:]),
        ]
    return []


def _copy(connection: Connection, table: LiteralString, slice_id: int, playlists: Sequence[Playlist]) -> None:
    parts = [_HEADER]
    for playlist in playlists:
        size = len(playlist.raw) + 1
        parts.append(_ROW.pack(4, 4, playlist.pid, 4, slice_id, 4, playlist.ordinal, size, _JSONB_VERSION))
        parts.append(playlist.raw)
    parts.append(_TRAILER)
    statement = sql.SQL("copy " + table + " (pid, slice_id, ordinal, doc) from stdin with (format binary)")
    with connection.cursor().copy(statement) as copy:
        copy.write(b"".join(parts))
