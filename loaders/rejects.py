"""Take rejected playlists out of the database as a slice that a person can correct, and land that again.

The file names its rejects in `info`. Once it has landed, the view `staging.open_rejects` finds them there: landing and
closing them is one and the same row of the ledger.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from psycopg import Connection, sql

from loaders.load import Connect, LoadReport, Progress, load
from loaders.schema import PLAYLIST_REASONS, split
from loaders.slices import MAX_SLICE_BYTES, LoadError, discover, read


@dataclass(frozen=True)
class RejectRow:
    """A playlist that was rejected.

    Attributes:
        slice_id: The slice that held it.
        source: The file of that slice, or `archive!member`.
        ordinal: Its position in the slice, from 0.
        pid: Its number in the dataset; None where it cannot be told.
        reason: Code from `loaders.schema.PLAYLIST_REASONS`.
        detail: The field and the value that broke the rule.
    """

    slice_id: int
    source: str
    ordinal: int
    pid: int | None
    reason: str
    detail: str


@dataclass(frozen=True)
class Listing:
    """Rejects in the order of their slices and of their places in them; and how many there are by reason, in all."""

    rejects: tuple[RejectRow, ...]
    counts: dict[str, int]


@dataclass(frozen=True)
class Selection:
    """Which rejects are meant.

    Attributes:
        reasons: Codes from `loaders.schema.PLAYLIST_REASONS`; all if there are none.
        source: What the path of the slice contains.
        every: Take also those that something has made up for.
        limit: How many at most.
    """

    reasons: Sequence[str] = ()
    source: str | None = None
    every: bool = False
    limit: int | None = None

    def query(self, columns: str, *, limited: bool = True) -> tuple[sql.Composed, dict[str, Any]]:
        """Return a statement for some columns, in the order of slices, and its parameters."""
        statement = sql.SQL(
            "select {columns} from staging.{table} as rejects left join staging.slices using (slice_id)"
            " where (cardinality(%(reasons)s::text[]) = 0 or rejects.reason = any(%(reasons)s))"
            " and (%(source)s::text is null"
            " or position(%(source)s in concat_ws('!', rejects.source, rejects.member)) > 0)"
            " order by slice_id, ordinal limit %(limit)s"
        ).format(
            columns=sql.SQL(columns),
            table=sql.Identifier("rejects" if self.every else "open_rejects"),
        )
        limit = self.limit if limited else None
        return statement, {"reasons": list(self.reasons), "source": self.source, "limit": limit}


_SOURCE = "concat_ws('!', rejects.source, rejects.member) as source"


def find(connect: Connect, selection: Selection) -> Listing:
    """Find rejects, without their bytes."""
    columns = f"slice_id, {_SOURCE}, ordinal, pid, rejects.reason, rejects.detail"
    with connect(autocommit=True) as connection:
        rows = connection.execute(*selection.query(columns)).fetchall()
        counted, parameters = selection.query("rejects.reason", limited=False)
        counts = connection.execute(
            sql.SQL(
                "select reason, count(*) from ({}) as selected group by reason order by count(*) desc, reason"
            ).format(counted),
            parameters,
        ).fetchall()
    return Listing(tuple(RejectRow(*row) for row in rows), dict(counts))


def export(connect: Connect, path: Path, selection: Selection, *, overwrite: bool = False) -> int:
    """Write rejects to a file in the form of a slice, which `land` takes back.

    Each playlist stands in it byte for byte, JSON or not; `info` names them in the same order. Those of repeated pid
    are left out unless they are asked for: without the other one beside them nothing is wrong with them, and they would
    supersede it.

    Args:
        connect: Opens a connection.
        path: The file, or a link to it, which stays one. It is there when it is complete, and is not made if there is
            nothing to write.
        selection: Which rejects.
        overwrite: Replace a file that is there.

    Returns:
        How many playlists are in it.

    Raises:
        LoadError: There is a file already, or what is no file, or the rejects are more than one slice can hold.
        OSError: The file cannot be written.
    """
    path = _place_for_file(path, overwrite=overwrite)
    if not selection.reasons:
        selection = replace(selection, reasons=[reason for reason in PLAYLIST_REASONS if reason != "repeated_pid"])
    partial = path.with_name(f".{path.name}.partial")
    with connect() as connection:
        # Names and bytes are read one after the other, and must be of the same rejects.
        connection.execute("set transaction isolation level repeatable read, read only")
        names = [
            {"slice_id": slice_id, "ordinal": ordinal, "source": source, "reason": reason, "detail": detail}
            for slice_id, ordinal, source, reason, detail in connection.execute(
                *selection.query(f"slice_id, ordinal, {_SOURCE}, rejects.reason, rejects.detail")
            )
        ]
        if not names:
            return 0
        info = {
            "generated_on": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
            "slice": "rejects",
            "version": _version(connection, selection),
            "rejects": names,
        }
        try:
            with partial.open("wb") as file:
                file.write(b'{\n"info": ' + json.dumps(info, ensure_ascii=False, indent=1).encode())
                file.write(b',\n"playlists": [\n')
                for place, raw in enumerate(_raws(connection, selection)):
                    file.write(b",\n\n" * bool(place) + raw)
                    if file.tell() > MAX_SLICE_BYTES:
                        raise LoadError(f"these are more than {MAX_SLICE_BYTES} bytes; use --limit or --reason")
                file.write(b"\n]\n}\n")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return len(names)


def _place_for_file(path: Path, *, overwrite: bool) -> Path:
    """Return where links lead: a file there is replaced, and what stands there that is no file must not be."""
    place = Path(os.path.realpath(path))
    # In a circle of links, one of them is where they lead.
    if place.is_symlink() or (path.exists() and not path.is_file()):
        raise LoadError(f"{path} is there, and is no file that could be replaced; name another")
    if path.exists() and not overwrite:
        raise LoadError(f"{path} is there already, and may hold corrections; name another file, or use --overwrite")
    return place


def _version(connection: Connection, selection: Selection) -> str:
    """Say what the slices call their version; where some were made, the made ones first, for what they count as."""
    rows = connection.execute(*selection.query("coalesce(info ->> 'version', 'unknown')")).fetchall()
    versions = {version for (versions,) in rows for version in versions.split(" and ")}
    return " and ".join(sorted(versions, key=lambda version: (not version.startswith("synthetic"), version)))


def _raws(connection: Connection, selection: Selection) -> Iterator[bytes]:
    with connection.cursor("raws", binary=True) as cursor:
        cursor.itersize = 10
        for (raw,) in cursor.execute(*selection.query("raw")):
            yield raw


class _Named(Struct):
    """A reject as `info` names it."""

    slice_id: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    ordinal: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    source: str
    reason: str


class _Info(Struct):
    """What `land` needs of the `info` object of its file."""

    rejects: list[_Named]


def land(connect: Connect, path: Path, *, progress: Progress | None = None) -> LoadReport:
    """Land a file that `export` wrote and someone corrected, which closes the rejects that it names.

    The rules are those of every slice, and so is the version that a playlist gets: the newest. What still breaks a rule
    is a reject once more, of the new slice.

    Args:
        connect: Opens a connection.
        path: The file.
        progress: As for `loaders.load.load`.

    Raises:
        LoadError: The file cannot be used: unreadable, no export, one of another database, or of another number of
            playlists than it names. Nothing has landed.
        psycopg.Error: The database failed.
    """
    try:
        [source] = discover([path])
        contents = split(read(source))
        named = msgspec.json.decode(contents.info, type=_Info).rejects
    except (LoadError, ValueError) as error:
        raise LoadError(f"{path} is not a file that `mixhouse rejects export` wrote: {error}") from error
    if len(contents.playlists) != len(named):
        raise LoadError(
            f"{path} is to hold as many playlists as its info names rejects: {len(named)}, not "
            f"{len(contents.playlists)}. Keep their number and order; what cannot be corrected may stay as it is"
        )
    with connect(autocommit=True) as connection:
        foreign = connection.execute(_FOREIGN, [[getattr(one, name) for one in named] for name in _NAMED]).fetchone()
    if foreign is not None:
        raise LoadError(f"{path} names a reject that this database does not have: number {foreign[1]} of {foreign[0]}")
    # Also where a correction has changed neither the size nor the time of the file.
    return load(connect, [path], verify=True, command="rejects land", progress=progress)


_NAMED = ("slice_id", "ordinal", "source", "reason")
_FOREIGN = """
    select named.source, named.ordinal
    from unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[]) as named (slice_id, ordinal, source, reason)
    where not exists (
        select from staging.rejects
        where rejects.slice_id = named.slice_id and rejects.ordinal = named.ordinal and rejects.reason = named.reason
            and concat_ws('!', rejects.source, rejects.member) = named.source
    )
    limit 1
"""
