"""The ledger of loads: who loaded what and when, what landed, what was refused, and that nothing lands twice.

Whoever writes in `staging.slices` has taken the turn (`take_turn`) before: no other row is in hand when one gets its
`slice_id`. So slices commit in the order of `slice_id`, whoever loads; of the versions of a playlist the current one
is that of the largest `slice_id`; and who has seen a slice never meets a smaller one later. The models that are built
slice by slice rely on that (`macros/playlist_changes.sql`).
"""

import contextlib
import getpass
import json
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from psycopg import Connection

from loaders.copy import Landed
from loaders.schema import Reject
from loaders.slices import SliceRefused, SliceSource

# First half of the advisory locks by which a load shows that it is alive; the second is its number.
_LOAD_LOCK = 0x6D78
_TURN_LOCK = int.from_bytes(b"mixslice")

Key = tuple[str, str | None, str | None]
"""What the ledger knows a file by: source, member and fingerprint."""


@dataclass(frozen=True)
class Attempt:
    """What is known of a slice that is being loaded before its playlists are looked at.

    Attributes:
        load_id: The load.
        source: Where it is kept.
        started: When work on it began, by `time.monotonic`.
        sha256: Of the uncompressed JSON, in hexadecimal; None if it could not be read.
        size: Bytes of the uncompressed JSON; None if it could not be read.
    """

    load_id: int
    source: SliceSource
    started: float
    sha256: str | None = None
    size: int | None = None

    @property
    def seconds(self) -> float:
        """How long work on it has taken."""
        return time.monotonic() - self.started

    @property
    def parameters(self) -> dict[str, object]:
        """Values for a statement, by name."""
        return {
            "load_id": self.load_id,
            "source": self.source.source,
            "member": self.source.member,
            "fingerprint": self.source.fingerprint,
            "sha256": self.sha256,
            "size": self.size,
            "seconds": self.seconds,
        }


# ----------------------------------------------------------------------------------------------------------------------
# Loads


@contextlib.contextmanager
def load_entry(
    connection: Connection, command: str, paths: Sequence[str], options: Mapping[str, object]
) -> Iterator["LoadEntry"]:
    """Write in `ops.loads` that a load begins, and how it ended; mark those as cut short that ended without a word.

    Args:
        connection: In autocommit mode. While it lives, so does the load.
        command: What loads.
        paths: What it loads.
        options: How it loads.
    """
    connection.execute(
        "update ops.loads set outcome = 'cut_short', finished_at = clock_timestamp() where outcome = 'running'"
        " and not exists (select from pg_locks where locktype = 'advisory' and classid = %s and objid = load_id"
        " and objsubid = 2 and database = (select oid from pg_database where datname = current_database()))",
        [_LOAD_LOCK],
    )
    with connection.transaction():
        [(load_id,)] = connection.execute(
            "insert into ops.loads (command, paths, options, system_user_name, host) values (%s, %s, %s, %s, %s)"
            " returning load_id",
            [command, list(paths), json.dumps(options), _login(), platform.node()],
        ).fetchall()
        connection.execute("select pg_advisory_lock(%s, %s)", [_LOAD_LOCK, load_id])
    entry = LoadEntry(connection, load_id)
    try:
        yield entry
    except BaseException as error:
        # Where the database is gone, nothing can be written: the next load finds this one cut short.
        with contextlib.suppress(Exception):
            interrupted = isinstance(error, KeyboardInterrupt)
            entry.finish("interrupted" if interrupted else "failed", None if interrupted else str(error))
        raise


@dataclass(frozen=True)
class LoadEntry:
    """A row of `ops.loads`.

    Attributes:
        connection: In autocommit mode.
        load_id: Key of the row.
    """

    connection: Connection
    load_id: int

    def finish(self, outcome: str, error: str | None = None, counts: Mapping[str, int] | None = None) -> None:
        """Write how the load ended.

        Args:
            outcome: As the column has it.
            error: What went wrong.
            counts: Values of the columns that count. Without them, what the load has committed is counted; how many
                slices it would have passed over, nobody knows then.
        """
        counts = self._committed() if counts is None else counts
        self.connection.execute(
            "update ops.loads set finished_at = clock_timestamp(), outcome = %(outcome)s, error = %(error)s,"
            " slices_landed = %(slices_landed)s, slices_skipped = %(slices_skipped)s,"
            " slices_refused = %(slices_refused)s, playlists_landed = %(playlists_landed)s,"
            " playlists_unchanged = %(playlists_unchanged)s, playlists_superseding = %(playlists_superseding)s,"
            " playlists_rejected = %(playlists_rejected)s, bytes = %(bytes)s where load_id = %(load_id)s",
            dict.fromkeys(COUNTS) | dict(counts) | {"outcome": outcome, "error": error, "load_id": self.load_id},
        )
        self.connection.execute("select pg_advisory_unlock(%s, %s)", [_LOAD_LOCK, self.load_id])

    def _committed(self) -> dict[str, int]:
        [row] = self.connection.execute(
            "select count(*) filter (where outcome = 'landed'), count(*) filter (where outcome = 'refused'),"
            " coalesce(sum(playlists_landed), 0), coalesce(sum(playlists_unchanged), 0),"
            " coalesce(sum(playlists_superseding), 0), coalesce(sum(playlists_rejected), 0), coalesce(sum(bytes), 0)"
            " from staging.slices where load_id = %s",
            [self.load_id],
        ).fetchall()
        return dict(zip((column for column in COUNTS if column != "slices_skipped"), row, strict=True))


COUNTS = (
    *("slices_landed", "slices_skipped", "slices_refused"),
    *("playlists_landed", "playlists_unchanged", "playlists_superseding", "playlists_rejected", "bytes"),
)
"""The columns of `ops.loads` that count."""


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a number that has no name.
        return "unknown"


# ----------------------------------------------------------------------------------------------------------------------
# Slices


def known_files(connection: Connection) -> set[Key]:
    """Read which files have landed as they are, to pass them over without reading them."""
    rows = connection.execute(
        "select source, member, fingerprint from ("
        " select distinct on (source, member) source, member, fingerprint, outcome from staging.slices"
        " order by source, member, slice_id desc) as latest where outcome <> 'refused'"
    )
    return set(rows.fetchall())


def is_known(connection: Connection, attempt: Attempt) -> bool:
    """Say whether a file has landed as it is."""
    row = connection.execute(
        "select outcome <> 'refused' and sha256 = %(sha256)s and fingerprint = %(fingerprint)s from staging.slices"
        " where source = %(source)s and member is not distinct from %(member)s order by slice_id desc limit 1",
        attempt.parameters,
    ).fetchone()
    return row is not None and bool(row[0])


def claim(connection: Connection, sha256: str) -> None:
    """Claim the content of a slice for the current transaction, waiting for another loader that has it in hand.

    What is found not to have landed does not land meanwhile. Who takes the turn too does so after this.

    Args:
        connection: In a transaction; the claim ends with it.
        sha256: Of the uncompressed JSON, in hexadecimal.
    """
    connection.execute("select pg_advisory_xact_lock(hashtextextended('mixhouse load ' || %s, 0))", [sha256])


def take_turn(connection: Connection) -> None:
    """Take the turn to write in `staging.slices`, waiting for every other loader that has it.

    No loader that has it waits for another one, so that two of them never wait for each other. What others change as
    they land, such as which versions are current, is to be read after this.

    Args:
        connection: In a transaction; the turn ends with it.
    """
    connection.execute("select pg_advisory_xact_lock(%s)", [_TURN_LOCK])


def find_original(connection: Connection, attempt: Attempt) -> int | None:
    """Find the slice that landed the same content.

    That is what the file itself landed last, as it is, whatever was refused of it since; or any slice of which all is
    still the current version of its playlists.
    """
    row = connection.execute(
        "select coalesce(duplicate_of, slice_id) from ("
        " select * from staging.slices where source = %(source)s and member is not distinct from %(member)s"
        " and outcome <> 'refused' order by slice_id desc limit 1"
        ") as latest where sha256 = %(sha256)s and fingerprint = %(fingerprint)s"
        " union all ("
        " select slice_id from staging.slices where sha256 = %(sha256)s and outcome = 'landed'"
        " and playlists_unchanged = 0 and playlists_landed = (select count(*) from staging.playlists"
        " where playlists.slice_id = slices.slice_id and playlists.superseded_at is null)"
        " order by slice_id desc limit 1"
        ") limit 1",
        attempt.parameters,
    ).fetchone()
    return None if row is None else int(row[0])


def files_with_rejects(connection: Connection) -> set[Key]:
    """Read which files hold the content of slices of which rejects are open."""
    rows = connection.execute(
        "select source, member, fingerprint from staging.slices where outcome <> 'refused'"
        " and coalesce(duplicate_of, slice_id) in (select slice_id from staging.open_rejects)"
    )
    return set(rows.fetchall())


def count_open_rejects(connection: Connection, sha256: str) -> int:
    """Count the rejects that are open of slices of some content."""
    rows = connection.execute(
        "select slice_id from staging.slices where sha256 = %s and playlists_rejected > 0", [sha256]
    ).fetchall()
    # The view looks at the whole ledger, which is not worth it for content that is new.
    if not rows:
        return 0
    [(count,)] = connection.execute(
        "select count(*) from staging.open_rejects where slice_id = any(%s)", [[slice_id for (slice_id,) in rows]]
    ).fetchall()
    return int(count)


def make_up_for_refusals(connection: Connection, load_id: int, sources: Sequence[SliceSource]) -> None:
    """Write that archives and folders that were refused as a whole are in order again.

    Args:
        connection: In autocommit mode.
        load_id: The load.
        sources: What it passes over, and so has found where it had landed from. For each archive or folder one of
            them gets a row as its own duplicate.
    """
    if not sources:
        return
    with connection.transaction():
        take_turn(connection)
        connection.execute(
            _RESTORED,
            {
                "load_id": load_id,
                "sources": [source.source for source in sources],
                "members": [source.member for source in sources],
            },
        )


_RESTORED = """
    insert into staging.slices
    (load_id, source, member, fingerprint, sha256, bytes, started_at, finished_at, outcome, duplicate_of)
    select distinct on (refused.source)
        %(load_id)s, latest.source, latest.member, latest.fingerprint, latest.sha256, latest.bytes,
        clock_timestamp(), clock_timestamp(), 'duplicate', coalesce(latest.duplicate_of, latest.slice_id)
    from staging.slices as refused
    inner join unnest(%(sources)s::text[], %(members)s::text[]) as found (source, member)
        on (found.source = refused.source and found.member is not null)
        or starts_with(found.source, refused.source || '/')
    inner join lateral (
        select * from staging.slices
        where slices.source = found.source and slices.member is not distinct from found.member
        order by slices.slice_id desc limit 1
    ) as latest on true
    where
        refused.outcome = 'refused'
        and refused.member is null
        -- A path at which nothing was has kept nothing back.
        and refused.reason not in ('absent', 'no_slices')
        and not exists (
            select from staging.slices as later
            where
                later.slice_id > refused.slice_id
                and (later.source = refused.source or starts_with(later.source, refused.source || '/'))
        )
    order by refused.source, latest.slice_id
"""


def record_duplicate(connection: Connection, attempt: Attempt, original: int) -> None:
    """Write that a slice has the content of another, or of what it landed itself before it was refused.

    Args:
        connection: In a transaction that has claimed the content and taken the turn.
        attempt: The slice.
        original: The slice that landed the content.
    """
    connection.execute(
        _INSERT.format(columns="outcome, duplicate_of", values="'duplicate', %(original)s"),
        attempt.parameters | {"original": original},
    )


def open_entry(connection: Connection, attempt: Attempt, info: bytes) -> int:
    """Write the row that the playlists of a slice refer to.

    Args:
        connection: In the transaction that lands the slice and has taken the turn.
        attempt: The slice.
        info: The `info` object, as its bytes stood.

    Returns:
        The key of the row, `slice_id`, larger than that of any other.
    """
    [(slice_id,)] = connection.execute(
        _INSERT.format(columns="info, outcome", values="%(info)s::text::jsonb, 'landed'") + " returning slice_id",
        attempt.parameters | {"info": info.decode()},
    ).fetchall()
    return int(slice_id)


def close_entry(connection: Connection, slice_id: int, landed: Landed, rejected: int) -> None:
    """Complete the row of a slice with what became of its playlists."""
    connection.execute(
        "update staging.slices set playlists_landed = %s, playlists_unchanged = %s, playlists_superseding = %s,"
        " playlists_rejected = %s, finished_at = clock_timestamp() where slice_id = %s",
        [landed.landed, landed.unchanged, landed.superseding, rejected, slice_id],
    )


def record_rejects(connection: Connection, slice_id: int, source: SliceSource, rejects: Sequence[Reject]) -> None:
    """Keep the rejected playlists of a slice, with the reason and their original bytes."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into staging.rejects (slice_id, source, member, ordinal, pid, reason, detail, raw)"
            " values (%(slice_id)s, %(source)s, %(member)s, %(ordinal)s, %(pid)s, %(reason)s, %(detail)s, %(raw)b)",
            [
                {"slice_id": slice_id, "source": source.source, "member": source.member} | vars(reject)
                for reject in rejects
            ],
        )


def record_refusal(connection: Connection, attempt: Attempt, refusal: SliceRefused) -> None:
    """Write that a slice was refused, unless that is the last that the ledger says of it already.

    Args:
        connection: In a transaction.
        attempt: The slice.
        refusal: Why.
    """
    source = attempt.source
    take_turn(connection)
    latest = connection.execute(
        "select outcome, fingerprint, reason, detail from staging.slices"
        " where source = %(source)s and member is not distinct from %(member)s order by slice_id desc limit 1",
        attempt.parameters,
    ).fetchone()
    if latest == ("refused", source.fingerprint, refusal.reason, refusal.detail):
        return
    connection.execute(
        _INSERT.format(columns="outcome, reason, detail", values="'refused', %(reason)s, %(detail)s"),
        attempt.parameters | {"reason": refusal.reason, "detail": refusal.detail},
    )


_INSERT = """
    insert into staging.slices
    (load_id, source, member, fingerprint, sha256, bytes, started_at, finished_at, {columns})
    values (
        %(load_id)s, %(source)s, %(member)s, %(fingerprint)s, %(sha256)s, %(size)s,
        clock_timestamp() - make_interval(secs => %(seconds)s), clock_timestamp(), {values}
    )
"""
