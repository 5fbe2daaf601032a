"""Land playlists that were sent, by the loader and its rules."""

import hashlib
import json
import logging
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
from psycopg import Connection, errors

from loaders.load import SliceOutcome, load
from loaders.schema import require_utf8, split
from loaders.slices import SliceRefused
from warehouse.database import connect
from warehouse.errors import DatabaseError
from warehouse.settings import home
from web.problems import DatabaseAway, Malformed, NotAllowed, TooBusy, Unprocessable

logger = logging.getLogger(__name__)

WAIT_SECONDS = 10
_NOT_JSON = frozenset({"empty_file", "not_utf8", "not_json"})
# A slice takes several times its bytes of memory while it is checked, and the database lands one at a time anyway.
_turn = threading.Lock()


@dataclass(frozen=True)
class Reject:
    """A playlist that broke a rule; `ordinal` is its position among those sent, from 0."""

    ordinal: int
    pid: int | None
    reason: str
    detail: str


@dataclass(frozen=True)
class Outcome:
    """What became of what was sent.

    Attributes:
        sent: Playlists in it.
        landed: Playlists stored, new or changed.
        superseding: Of those, the ones that replaced an earlier version.
        unchanged: Playlists that the database held already with the same content.
        rejected: Playlists that broke a rule.
        is_known: Whether the same content had landed before, and all of it is still the current version.
        rejects: The first of the rejected.
    """

    sent: int
    landed: int
    superseding: int
    unchanged: int
    rejected: int
    is_known: bool
    rejects: list[Reject]


def as_slice(sent: bytes) -> tuple[bytes, int]:
    """Return what was sent in the form of a slice, and how many playlists that has; they stand in it byte for byte.

    Args:
        sent: A slice, an object with `playlists` alone, or one playlist.

    Raises:
        Malformed: It is not JSON, or not UTF-8.
        Unprocessable: It is JSON of another form.
    """
    info = json.dumps({"slice": "sent", "version": f"sent to mixhouse {version('mixhouse')}"}).encode()
    keys = _keys(sent)
    if keys is not None and "info" not in keys:
        body = sent.lstrip()
        if "playlists" in keys:
            sent = b'{"info": ' + info + b", " + body[1:]
        else:
            sent = b'{"info": ' + info + b', "playlists": [' + body + b"]}"
    try:
        # Else it is found where playlists are looked at, one by one, and the slice is on record by then.
        require_utf8(sent)
        count = len(split(sent).playlists)
    except SliceRefused as refusal:
        message = f"What was sent cannot be read as playlists: {refusal.detail.rstrip('.?')}."
        raise (Malformed if refusal.reason in _NOT_JSON else Unprocessable)(message) from None
    return sent, count


def land(sent: bytes, sender: str, most_rejects: int) -> Outcome:
    """Land playlists.

    The ledger knows them by a file below the home folder that tells who sent them and when, and is gone afterwards:
    rejects keep their bytes in the database.

    Args:
        sent: As for `as_slice`.
        sender: The name of the API key.
        most_rejects: How many rejects are told.

    Raises:
        Malformed, Unprocessable: As `as_slice`.
        NotAllowed: The user who serves may not load.
        TooBusy: Others have sent so much that it is not this one's turn yet.
        DatabaseAway: The database does not answer.
    """
    content, count = as_slice(sent)
    if not _turn.acquire(timeout=WAIT_SECONDS):
        raise TooBusy("Other playlists are landing. Send these again in a moment.", retry_after=WAIT_SECONDS)
    path = _place(sender, content)
    try:
        path.write_bytes(content)
        [outcome] = load(connect, [path], command="api").slices
        with connect(autocommit=True) as connection:
            rejects, rejected = _rejects(connection, outcome, most_rejects)
    except errors.InsufficientPrivilege as error:
        raise NotAllowed(
            "The user who serves may not load playlists. Grant it: mixhouse db user NAME --role loader"
        ) from error
    except (DatabaseError, errors.OperationalError) as error:
        logger.warning("event=not_landed error=%r", str(error))
        raise DatabaseAway from error
    finally:
        path.unlink(missing_ok=True)
        _turn.release()
    if outcome.outcome == "refused":
        raise Unprocessable(f"The database cannot take this: {outcome.detail}.")
    return Outcome(
        sent=count,
        landed=outcome.landed,
        superseding=outcome.superseding,
        unchanged=outcome.unchanged,
        rejected=rejected,
        is_known=outcome.outcome == "skipped",
        rejects=rejects,
    )


def _keys(sent: bytes) -> set[str] | None:
    """Return the keys of an object; None if it is none, or cannot be read, which `split` explains."""
    try:
        return set(msgspec.json.decode(sent, type=dict[str, msgspec.Raw]))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        pass
    # The loader takes slices with single playlists that a strict decoder stops at.
    try:
        found = json.loads(sent)
    except (ValueError, RecursionError):
        return None
    return set(found) if isinstance(found, dict) else None


def _place(sender: str, content: bytes) -> Path:
    folder = home() / "web" / "sent"
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^0-9A-Za-z]+", "-", sender).strip("-")[:40] or "key"
    digest = hashlib.sha256(content).hexdigest()[:12]
    return folder / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%S.%f}-{name}-{digest}.json"


def _rejects(connection: Connection, outcome: SliceOutcome, most: int) -> tuple[list[Reject], int]:
    """Read what was rejected of the slice, or of that which had landed the same content before it."""
    rows = connection.execute(
        "select ordinal, pid, reason, detail, count(*) over () from staging.rejects where slice_id = ("
        " select coalesce(duplicate_of, slice_id) from staging.slices where source = %s order by slice_id desc limit 1"
        ") order by ordinal limit %s",
        [outcome.source.source, most],
    ).fetchall()
    return [Reject(*row[:4]) for row in rows], rows[0][4] if rows else 0
