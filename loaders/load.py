"""Load slices exactly once: one transaction lands a slice, its ledger row and its rejects, or nothing of it."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from psycopg import Connection, errors

from loaders import ledger
from loaders.copy import UNSTORABLE, land
from loaders.schema import Reject, split, validate
from loaders.slices import SliceRefused, SliceSource, discover, read

logger = logging.getLogger(__name__)

# Two loaders that meet on a pid, or on the order of several: the second starts its slice again and sees the first's.
_COLLISIONS = (errors.UniqueViolation, errors.DeadlockDetected, errors.SerializationFailure)
_ATTEMPTS = 5


class Connect(Protocol):
    """What opens a connection to the warehouse, such as `warehouse.database.connect`."""

    def __call__(self, *, autocommit: bool = False) -> Connection:
        """Open a connection."""


@dataclass(frozen=True)
class SliceOutcome:
    """What became of one slice.

    Attributes:
        source: Where the slice is kept.
        outcome: `landed`; `skipped`, if its content had landed before; or `refused` as a whole.
        bytes: Size of the uncompressed JSON; 0 if it was not read.
        seconds: How long it took.
        landed: Playlists stored, new or changed.
        unchanged: Playlists that the database held already with the same content.
        superseding: Of `landed`, those that replaced an earlier version.
        rejected: Playlists refused one by one, now in `staging.rejects`.
        reason: Code from `loaders.schema.SLICE_REASONS` if refused.
        detail: What was found, for a person, if refused.
    """

    source: SliceSource
    outcome: Literal["landed", "skipped", "refused"]
    bytes: int = 0
    seconds: float = 0.0
    landed: int = 0
    unchanged: int = 0
    superseding: int = 0
    rejected: int = 0
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class LoadReport:
    """What became of a load: its slices in the order they were loaded, and its totals.

    A load has failed, for who asked it to be strict, if `refused` is not 0: a slice with rejects is then refused.
    """

    slices: tuple[SliceOutcome, ...]
    seconds: float

    @property
    def landed(self) -> int:
        """Slices that landed."""
        return self._count("landed")

    @property
    def skipped(self) -> int:
        """Slices whose content had landed before."""
        return self._count("skipped")

    @property
    def refused(self) -> int:
        """Slices refused as a whole."""
        return self._count("refused")

    @property
    def bytes(self) -> int:
        """Bytes of uncompressed JSON that were read."""
        return sum(outcome.bytes for outcome in self.slices)

    @property
    def playlists_landed(self) -> int:
        """Playlists stored, new or changed."""
        return sum(outcome.landed for outcome in self.slices)

    @property
    def playlists_unchanged(self) -> int:
        """Playlists that the database held already with the same content, in slices that landed."""
        return sum(outcome.unchanged for outcome in self.slices)

    @property
    def playlists_superseding(self) -> int:
        """Of `playlists_landed`, those that replaced an earlier version."""
        return sum(outcome.superseding for outcome in self.slices)

    @property
    def playlists_rejected(self) -> int:
        """Playlists refused one by one."""
        return sum(outcome.rejected for outcome in self.slices)

    def _count(self, outcome: str) -> int:
        return sum(found.outcome == outcome for found in self.slices)


Progress = Callable[[SliceOutcome, int, int], None]
"""Called after each slice with its outcome, how many slices are done, and how many there are."""


def load(
    connect: Connect, paths: Iterable[str | Path], *, strict: bool = False, progress: Progress | None = None
) -> LoadReport:
    """Land every slice below some paths that has not landed yet.

    Each slice commits on its own. An exception, `KeyboardInterrupt` included, takes back the slice in hand and
    nothing else; loading again goes on from there. Content that has landed once never lands again, under whatever
    name. A playlist that the database holds with other content gets a new version, and the old one is kept as
    superseded.

    Args:
        connect: Opens the one connection that the load uses.
        paths: As for `loaders.slices.discover`.
        strict: Refuse a slice as a whole for a single playlist that breaks a rule.
        progress: Told of every slice once it is committed, skipped or refused.

    Raises:
        SourceError: A path holds no slices. Nothing has been loaded then.
        psycopg.Error: The database failed. Slices before the one in hand have landed.
    """
    started = time.monotonic()
    sources = discover(paths)
    outcomes: list[SliceOutcome] = []
    with connect(autocommit=True) as connection:
        landed = ledger.landed_sources(connection)
        for done, source in enumerate(sources, start=1):
            if (source.source, source.member, source.fingerprint) in landed:
                outcome = SliceOutcome(source, "skipped")
            else:
                outcome = _load_slice(connection, source, strict=strict)
            outcomes.append(outcome)
            _log(outcome)
            if progress is not None:
                progress(outcome, done, len(sources))
    return LoadReport(tuple(outcomes), time.monotonic() - started)


def _load_slice(connection: Connection, source: SliceSource, *, strict: bool) -> SliceOutcome:
    started = time.monotonic()
    data: bytes | None = None
    sha256 = None
    try:
        data = read(source)
        sha256 = hashlib.sha256(data).hexdigest()
        return _land_content(connection, source, data, sha256, started, strict=strict)
    except SliceRefused as refusal:
        size = None if data is None else len(data)
        with connection.transaction():
            ledger.record_refusal(connection, source, sha256, size, refusal, time.monotonic() - started)
        return SliceOutcome(
            source,
            "refused",
            bytes=size or 0,
            seconds=time.monotonic() - started,
            reason=refusal.reason,
            detail=refusal.detail,
        )


def _land_content(
    connection: Connection, source: SliceSource, data: bytes, sha256: str, started: float, *, strict: bool
) -> SliceOutcome:
    attempt = 1
    while True:
        try:
            with connection.transaction():
                return _land_once(connection, source, data, sha256, started, strict=strict)
        except _COLLISIONS as collision:
            if attempt == _ATTEMPTS:
                raise
            logger.info("slice=%s event=collision attempt=%d error=%s", source, attempt, type(collision).__name__)
            attempt += 1


def _land_once(
    connection: Connection, source: SliceSource, data: bytes, sha256: str, started: float, *, strict: bool
) -> SliceOutcome:
    if not ledger.claim(connection, sha256):
        return SliceOutcome(source, "skipped", bytes=len(data), seconds=time.monotonic() - started)
    parts = split(data)
    playlists, rejects = validate(parts.playlists)
    try:
        slice_id = ledger.open_entry(connection, source, sha256, len(data), parts.info, time.monotonic() - started)
    except UNSTORABLE as error:
        raise SliceRefused("refused_by_database", f"info: {error.diag.message_primary}") from error
    landed = land(connection, slice_id, playlists)
    rejects = sorted([*rejects, *landed.rejects], key=lambda reject: reject.ordinal)
    if strict and rejects:
        raise SliceRefused("rejects_under_strict", _summary(rejects))
    ledger.record_rejects(connection, slice_id, source, rejects)
    ledger.close_entry(connection, slice_id, landed, len(rejects))
    return SliceOutcome(
        source,
        "landed",
        bytes=len(data),
        seconds=time.monotonic() - started,
        landed=landed.landed,
        unchanged=landed.unchanged,
        superseding=landed.superseding,
        rejected=len(rejects),
    )


def _summary(rejects: Sequence[Reject]) -> str:
    first = rejects[0]
    return f"{len(rejects)} playlists break a rule; the first is number {first.ordinal}: {first.reason}, {first.detail}"


def _log(outcome: SliceOutcome) -> None:
    facts: dict[str, object] = {"slice": outcome.source, "outcome": outcome.outcome}
    if outcome.outcome == "landed":
        facts |= {
            "playlists_landed": outcome.landed,
            "playlists_unchanged": outcome.unchanged,
            "playlists_superseding": outcome.superseding,
            "playlists_rejected": outcome.rejected,
        }
    if outcome.reason:
        facts |= {"reason": outcome.reason, "detail": repr(outcome.detail)}
    facts |= {"bytes": outcome.bytes, "seconds": f"{outcome.seconds:.3f}"}
    level = logging.WARNING if outcome.outcome == "refused" or outcome.rejected else logging.INFO
    logger.log(level, " ".join(f"{name}={value}" for name, value in facts.items()))
