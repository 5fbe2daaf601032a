"""What people see of a load: how far it is, and what came of it."""

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from loaders.load import LoadReport, SliceOutcome
from loaders.load import Progress as OnSlice
from loaders.rejects import Listing
from mixhouse.console import ERR, OUT, counted, printable

logger = logging.getLogger(__name__)

LOG_SECONDS = 5
MOST_LISTED = 100


@contextmanager
def load_progress() -> Iterator[OnSlice]:
    """Show slices, playlists and megabytes a second, and the time left: a bar on a terminal, else now and then a line.

    Yields:
        What `loaders.load.load` tells of each slice.
    """
    pace = _Pace()
    if ERR.is_terminal:
        columns = (TextColumn("Loading slices"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
        times = (TimeElapsedColumn(), TextColumn("{task.fields[left]}"))
        with Progress(*columns, *times, console=ERR, transient=True) as bar:
            task = bar.add_task("", total=None, pace="", left="")

            def show(outcome: SliceOutcome, done: int, total: int) -> None:
                pace.count(outcome)
                left = f"{pace.time_left(total - done)} left"
                bar.update(task, completed=done, total=total, pace=str(pace), left=left)

            yield show
        return

    slices = (0, 0)

    def note(outcome: SliceOutcome, done: int, total: int) -> None:
        nonlocal slices
        pace.count(outcome)
        slices = done, total

    def log() -> None:
        # Ctrl-C is for the thread that loads.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        while not is_over.wait(LOG_SECONDS):
            if pace.slices:
                done, total = slices
                logger.info("loaded %d of %d slices, %s, %s left", done, total, pace, pace.time_left(total - done))
            else:
                logger.info("no slice is through after %.0f s", pace.seconds)

    # A thread, for a slice may take longer than a line may be waited for.
    is_over = threading.Event()
    logging_thread = threading.Thread(target=log, daemon=True)
    logging_thread.start()
    try:
        yield note
    finally:
        is_over.set()
        logging_thread.join()


class _Pace:
    """How fast a load goes; slices that were passed over unread do not count."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.slices = self.playlists = self.bytes = 0

    def count(self, outcome: SliceOutcome) -> None:
        self.slices += outcome.bytes > 0
        self.playlists += outcome.landed + outcome.unchanged + outcome.rejected
        self.bytes += outcome.bytes

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def time_left(self, slices: int) -> timedelta:
        return timedelta(seconds=round(slices * self.seconds / max(self.slices, 1)))

    def __str__(self) -> str:
        seconds = self.seconds
        return f"{self.playlists / seconds:,.0f} playlists/s, {self.bytes / 1e6 / seconds:,.0f} MB/s"


def print_load(report: LoadReport) -> None:
    """Print what came of a load, and list what was refused."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(justify="right")
    table.add_column()
    rows = [
        (report.landed, "slice", "landed"),
        (report.skipped, "slice", "skipped: landed before"),
        (report.refused, "slice", "refused"),
        (report.playlists_landed, "playlist", "landed"),
        (report.playlists_superseding, "playlist", "among them in another version than the one that was there"),
        (report.playlists_unchanged, "playlist", "unchanged"),
        (report.playlists_rejected, "playlist", "rejected"),
    ]
    for number, noun, fate in rows:
        if number or fate == "landed":
            table.add_row(*f"{counted(number, noun)} {fate}".split(" ", 1))
    OUT.print(table)
    rate = f", {report.bytes / 1e6 / report.seconds:,.0f} MB/s" if report.bytes else ""
    OUT.print(f"Loaded {report.bytes / 1e6:,.1f} MB in {report.seconds:.1f} s{rate}.", markup=False)
    complaints = list(_complaints(report))
    for complaint in complaints[:MOST_LISTED]:
        ERR.print(printable(complaint), markup=False)
    if len(complaints) > MOST_LISTED:
        ERR.print(f"... and {len(complaints) - MOST_LISTED:,} more; all are in staging.slices and staging.rejects")
    if report.playlists_rejected:
        ERR.print("The rejects, with their reasons: mixhouse rejects list", markup=False)


def _complaints(report: LoadReport) -> Iterator[str]:
    for outcome in report.slices:
        if outcome.outcome == "refused":
            yield f"{outcome.source}: refused ({outcome.reason}): {outcome.detail}"
        elif outcome.rejected:
            yield f"{outcome.source}: {counted(outcome.rejected, 'playlist')} rejected"


def print_rejects(listing: Listing) -> None:
    """Print rejects, one a line, and how many there are by reason."""
    for reject in listing.rejects:
        pid = "pid unknown" if reject.pid is None else f"pid {reject.pid}"
        where = f"slice {reject.slice_id}, playlist {reject.ordinal}, {pid}"
        OUT.print(printable(f"{where}: {reject.reason}: {reject.detail} ({reject.source})"), markup=False)
    total = sum(listing.counts.values())
    if len(listing.rejects) < total:
        OUT.print(f"... and {total - len(listing.rejects):,} more")
    reasons = "".join(f", {count:,} {reason}" for reason, count in listing.counts.items())
    OUT.print(counted(total, "reject") + reasons)
