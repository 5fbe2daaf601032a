"""The ledger of loads: what landed, what was refused, and that nothing lands twice."""

from collections.abc import Sequence

from psycopg import Connection

from loaders.copy import Landed
from loaders.schema import Reject
from loaders.slices import SliceRefused, SliceSource


def landed_sources(connection: Connection) -> set[tuple[str, str | None, str | None]]:
    """Read which sources have landed, as (source, member, fingerprint), to pass them over without reading them."""
    rows = connection.execute("select source, member, fingerprint from staging.slices where outcome = 'landed'")
    return set(rows.fetchall())


def claim(connection: Connection, sha256: str) -> bool:
    """Claim the content of a slice for the current transaction, waiting for another loader that has it in hand.

    Args:
        connection: In a transaction; the claim ends with it.
        sha256: Of the uncompressed JSON, in hexadecimal.

    Returns:
        Whether the content is still to land.
    """
    _lock(connection, sha256)
    landed = connection.execute("select from staging.slices where sha256 = %s and outcome = 'landed'", [sha256])
    return landed.fetchone() is None


def open_entry(connection: Connection, source: SliceSource, sha256: str, size: int, info: bytes, age: float) -> int:
    """Write the ledger row that the playlists of a slice refer to.

    Args:
        connection: In the transaction that lands the slice.
        source: Where the slice is kept.
        sha256: Of the uncompressed JSON, in hexadecimal.
        size: Bytes of the uncompressed JSON.
        info: The `info` object, as its bytes stood.
        age: Seconds since work on the slice started.

    Returns:
        The key of the row, `slice_id`.
    """
    [(slice_id,)] = connection.execute(
        "insert into staging.slices"
        " (source, member, fingerprint, sha256, bytes, info, outcome, started_at, finished_at)"
        " values (%s, %s, %s, %s, %s, %s::text::jsonb, 'landed',"
        " clock_timestamp() - make_interval(secs => %s), clock_timestamp())"
        " returning slice_id",
        [source.source, source.member, source.fingerprint, sha256, size, info.decode(), age],
    ).fetchall()
    return int(slice_id)


def close_entry(connection: Connection, slice_id: int, landed: Landed, rejected: int) -> None:
    """Complete the ledger row of a slice with what became of its playlists."""
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
            " values (%s, %s, %s, %s, %s, %s, %s, %b)",
            [
                (
                    slice_id,
                    source.source,
                    source.member,
                    reject.ordinal,
                    reject.pid,
                    reject.reason,
                    reject.detail,
                    reject.raw,
                )
                for reject in rejects
            ],
        )


def record_refusal(
    connection: Connection, source: SliceSource, sha256: str | None, size: int | None, refusal: SliceRefused, age: float
) -> None:
    """Write that a slice was refused, unless the ledger says the same of the same source already.

    Args:
        connection: In a transaction.
        source: Where the slice is kept.
        sha256: Of the uncompressed JSON, in hexadecimal; None if it could not be read.
        size: Bytes of the uncompressed JSON; None if it could not be read.
        refusal: Why.
        age: Seconds since work on the slice started.
    """
    _lock(connection, str(source))
    connection.execute(
        "insert into staging.slices"
        " (source, member, fingerprint, sha256, bytes, outcome, reason, detail, started_at, finished_at)"
        " select %(source)s, %(member)s, %(fingerprint)s, %(sha256)s, %(size)s, 'refused', %(reason)s, %(detail)s,"
        " clock_timestamp() - make_interval(secs => %(age)s), clock_timestamp()"
        " where not exists ("
        " select from staging.slices where outcome = 'refused' and source = %(source)s"
        " and member is not distinct from %(member)s and fingerprint = %(fingerprint)s"
        " and reason = %(reason)s and detail = %(detail)s)",
        {
            "source": source.source,
            "member": source.member,
            "fingerprint": source.fingerprint,
            "sha256": sha256,
            "size": size,
            "reason": refusal.reason,
            "detail": refusal.detail,
            "age": age,
        },
    )


def _lock(connection: Connection, what: str) -> None:
    connection.execute("select pg_advisory_xact_lock(hashtextextended('mixhouse load ' || %s, 0))", [what])
