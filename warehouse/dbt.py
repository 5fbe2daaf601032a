"""Run dbt in this process, on the database that Mixhouse found, and say what came of it."""

import contextlib
import logging
import os
import shutil
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warehouse.errors import DbtFailed
from warehouse.settings import PROJECT_ROOT, home

logger = logging.getLogger(__name__)

MESSAGE_LENGTH = 300
FAILED = frozenset({"error", "fail", "runtime error"})


@dataclass(frozen=True)
class DbtOutcome:
    """What one dbt command did.

    Attributes:
        nodes: Models, seeds and tests that ran.
        warnings: Each test that warned, as `name: message`.
        seconds: Wall-clock time, dbt's own start included.
    """

    nodes: int
    warnings: tuple[str, ...]
    seconds: float


def run_dbt(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    on_node: Callable[[str, int, int], None] | None = None,
) -> DbtOutcome:
    """Run one dbt command, such as `["build", "--selector", "before_ml"]`.

    dbt keeps state in global variables: call this from one thread at a time.

    Args:
        arguments: The command and its options, without folders: profile, target and logs lie in the home folder.
        environment: libpq variables of the database; `profiles.example.yml` reads them.
        on_node: Called with name, place and number of all each time a node starts.

    Raises:
        DbtFailed: A node failed, or dbt could not start; the message names the first failures and the log file.
    """
    # dbt takes seconds to import, so a command that does not need it does not pay.
    from dbt.cli.main import dbtRunner

    folders = _folders()
    started = time.monotonic()
    callbacks = [lambda event: _announce(event, on_node)] if on_node else []
    with _environment(environment):
        result = dbtRunner(callbacks=callbacks).invoke([*arguments, *folders])
    seconds = time.monotonic() - started
    log_file = home() / "logs" / "dbt.log"
    if result.exception is not None and not isinstance(result.exception, Exception):
        # dbt hands an interrupt back like a failure.
        raise result.exception
    if result.exception is not None:
        raise DbtFailed(f"dbt {arguments[0]} could not run: {result.exception}. The whole story: {log_file}")
    results = getattr(result.result, "results", ())
    failures = [_describe(node) for node in results if node.status in FAILED]
    if failures or not result.success:
        first = "; ".join(failures[:3])
        raise DbtFailed(f"dbt {arguments[0]} failed on {len(failures)} nodes: {first}. The whole story: {log_file}")
    warnings = tuple(_describe(node) for node in results if node.status == "warn")
    logger.info("event=dbt command=%s nodes=%d warnings=%d", arguments[0], len(results), len(warnings))
    return DbtOutcome(nodes=len(results), warnings=warnings, seconds=seconds)


def write_docs(environment: Mapping[str, str], on_node: Callable[[str, int, int], None] | None = None) -> Path:
    """Write the dbt docs, and return where they lie: `docs_file`, one HTML file, replaced as a whole.

    Raises:
        DbtFailed: As `run_dbt`.
    """
    run_dbt(["docs", "generate", "--static"], environment, on_node)
    path = docs_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    page = (target_folder() / "static_index.html").read_bytes()
    # Else its icons ask for `{{ ... }}` before Angular has put an address there, and browsers complain of each.
    draft.write_bytes(page.replace(b'xlink:href="{{', b'ng-attr-xlink:href="{{'))
    draft.replace(path)
    return path


def docs_file() -> Path:
    """Return where the latest dbt docs lie, if any were written."""
    return home() / "docs" / "index.html"


def target_folder() -> Path:
    """Return where dbt writes the manifest, the catalog and the docs."""
    return home() / "target"


def _folders() -> list[str]:
    """Make the folders that dbt needs, and return the options that point to them."""
    profiles = home() / "dbt"
    profiles.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PROJECT_ROOT / "profiles.example.yml", profiles / "profiles.yml")
    return [
        *("--project-dir", str(PROJECT_ROOT)),
        *("--profiles-dir", str(profiles)),
        *("--target-path", str(target_folder())),
        *("--log-path", str(home() / "logs")),
        *("--log-level", "none"),
        "--no-use-colors",
        # Each statement and its time would cost a fifth of dbt's own time; what was run lies in the target folder.
        *("--log-level-file", "info"),
    ]


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the time of a dbt command: profiles can read them from nowhere else."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _announce(event: Any, on_node: Callable[[str, int, int], None]) -> None:
    if event.info.name == "LogStartLine":
        on_node(event.data.node_info.node_name, event.data.index, event.data.total)


def _describe(node: Any) -> str:
    message = " ".join(str(node.message or node.status).split())
    return f"{node.node.name}: {textwrap.shorten(message, MESSAGE_LENGTH)}"
