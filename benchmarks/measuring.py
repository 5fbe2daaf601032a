"""What every measurement of the warehouse needs: a server of its own, a clock, and a place for the results."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from warehouse import embedded
from warehouse.settings import home


@contextmanager
def own_server() -> Iterator[Path]:
    """Make a folder whose embedded server is the one meant, durable and with its normal settings; remove both."""
    with tempfile.TemporaryDirectory(prefix="mixhouse-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the server's user must pass through
        for variable in [*filter(lambda name: name.startswith("PG"), os.environ), "DATABASE_URL"]:
            os.environ.pop(variable, None)
        os.environ["MIXHOUSE_HOME"] = str(folder / "home")
        try:
            yield folder
        finally:
            embedded.reset(home())


def seconds_of(work: Callable[[], object]) -> float:
    """Time one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def record(path: Path, found: Mapping[str, Any]) -> None:
    """Put what was found into the results, beside what other measurements found, and print it."""
    result: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    result |= found
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    json.dump(found, sys.stdout, indent=2)
    print()
