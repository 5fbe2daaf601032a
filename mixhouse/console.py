"""What people see while a command works: a progress bar on a terminal, log lines anywhere else."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class _Console(Console):
    """A console that falls silent when nobody reads any more: the work goes on, and its exit code stands."""

    def on_broken_pipe(self) -> None:
        """Say no more, where rich would end the program with 1."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


OUT = _Console(highlight=False, soft_wrap=True)
"""Results: what a command was asked for."""
ERR = _Console(stderr=True, highlight=False, soft_wrap=True)
"""Progress, notes and errors."""

Advance = Callable[[int, int, str], None]
"""Takes how much is done, of how much, and what is at hand."""


def set_up_logging(*, debug: bool) -> None:
    """Send log lines to standard error: warnings on a terminal, where a bar shows the rest; everything elsewhere.

    Args:
        debug: Show everything, from every library.
    """
    if ERR.is_terminal:
        handler: logging.Handler = RichHandler(console=ERR, show_path=False, show_time=debug)
        handler.setFormatter(logging.Formatter("%(message)s"))
        level = logging.WARNING
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S"))
        level = logging.INFO
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, handlers=[handler], force=True)
    if not debug:
        for package in ("loaders", "mixhouse", "python_ml", "warehouse", "web"):
            logging.getLogger(package).setLevel(level)


@contextmanager
def progress(title: str) -> Iterator[Advance]:
    """Show a bar while something long runs, on a terminal; elsewhere the log says what happens."""
    if not ERR.is_terminal:
        yield lambda done, total, what: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), TextColumn("{task.fields[what]}"), console=ERR, transient=True) as bar:
        task = bar.add_task(title, total=None, what="")

        def advance(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, what=printable(what)[:40])

        yield advance


def counted(number: int, noun: str) -> str:
    """Say how many there are: `1 playlist`, `2,000 playlists`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def printable(text: str) -> str:
    """Replace what a terminal would obey: titles are strangers' text, and may hold escape sequences and line breaks."""
    return "".join(character if character.isprintable() else "·" for character in text)
