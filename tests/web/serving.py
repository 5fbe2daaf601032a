"""`mixhouse serve` and `mixhouse worker` as people start them: processes, with what they say."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any, TypeVar

import psutil
from commands import Warehouse

from warehouse.pipeline import BUILD_LOCK
from warehouse.settings import PROJECT_ROOT

Found = TypeVar("Found")

# Read before the fixtures of the session take away what is the developer's.
SCREENSHOTS = Path(os.environ.get("MIXHOUSE_SCREENSHOTS") or PROJECT_ROOT / "reports" / "screenshots")
CALLBACK = "/app/_dash-update-component"
"""Where browsers send what happens in a page."""
MIXHOUSE = Path(sys.executable).parent / "mixhouse"


def wait_for(look: Callable[[], Found], seconds: float = 60, what: str = "") -> Found:
    """Look until there is something true, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        assert time.monotonic() < deadline, f"waited {seconds} s for {what or look}"
        time.sleep(0.05)


@dataclass
class Process:
    """A command of ours that runs until it is ended."""

    popen: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)

    @classmethod
    def start(cls, *arguments: str, variables: dict[str, str]) -> "Process":
        # Where a shell runs the tests in the background, Ctrl-C would be ignored, by the commands too.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        # A group of its own: a Ctrl-C at the terminal of the tests is for the tests.
        popen = subprocess.Popen(
            [MIXHOUSE, *arguments],
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )
        signal.signal(signal.SIGINT, before)
        process = cls(popen)
        threading.Thread(target=process._read, daemon=True).start()
        return process

    def _read(self) -> None:
        assert self.popen.stdout is not None
        with self.popen.stdout as lines:
            self.log.extend(lines)

    @property
    def said(self) -> str:
        return "".join(self.log)

    def wait_until_it_says(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        def look() -> re.Match[str] | None:
            found = re.search(pattern, self.said)
            assert found or self.popen.poll() is None, f"ended with {self.popen.returncode}:\n{self.said}"
            return found

        return wait_for(look, seconds, f"{pattern} in:\n{self.said}")

    def descendants(self, *words: str) -> list[psutil.Process]:
        """What it has started, and they have; those with all of these words in their command."""
        found = psutil.Process(self.popen.pid).children(recursive=True)
        return [process for process in found if set(words) <= set(command_line(process))]

    def end(self, number: int = signal.SIGTERM, seconds: float = 30) -> int:
        """End it by a signal, and see that nothing of it is left."""
        if self.popen.poll() is None:
            started = self.descendants()
            os.kill(self.popen.pid, number)
            self.popen.wait(seconds)
            wait_for(lambda: not any(map(is_alive, started)), 10, f"the end of {[*map(command_line, started)]}")
        return self.popen.returncode


def is_alive(process: psutil.Process) -> bool:
    """Say whether it runs; what has ended and nobody asks about, as in some containers, does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


@dataclass
class Answer:
    """What a server answered."""

    status: int
    headers: Message
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A server that answers, and the process that it is."""

    process: Process
    address: str
    key: str = ""

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        if self.key:
            headers = {"Authorization": f"Bearer {self.key}"} | headers
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.address + path, data, headers, method=method)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def run(self, run_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/runs/{run_id}").json()
        return found

    def start_run(self, kind: str) -> int:
        answer = self.ask("POST", "/runs", {"kind": kind})
        assert answer.status == 202, answer.body
        return int(answer.json()["run_id"])

    def wait_for_run(self, run_id: int, *statuses: str, seconds: float = 120) -> dict[str, Any]:
        wait_for(lambda: self.run(run_id)["status"] in statuses, seconds, f"run {run_id}: {self.run(run_id)}")
        return self.run(run_id)


@contextmanager
def another_build(warehouse: Warehouse) -> Iterator[None]:
    """Hold what a build holds, so that a run waits for as long as the test likes; it then finds all up to date."""
    with warehouse.connect() as connection:
        connection.execute("select pg_advisory_lock(%s)", [BUILD_LOCK])
        yield
        connection.rollback()
        connection.execute("select pg_advisory_unlock(%s)", [BUILD_LOCK])


def api_key(warehouse: Warehouse) -> str:
    """Return a key for the API, made where nobody sees it but the tests: the database has its digest alone."""
    key = "mixhouse_for_tests_only"
    with warehouse.connect() as connection:
        connection.execute(
            "insert into ops.api_keys (name, sha256) values ('tests', %s) on conflict do nothing",
            [hashlib.sha256(key.encode()).digest()],
        )
    return key


def page_request(path: str, search: str = "") -> dict[str, Any]:
    """Return what a browser sends to be shown the page at an address."""
    outputs = [{"id": "_pages_content", "property": "children"}, {"id": "_pages_store", "property": "data"}]
    values = {"pathname": path, "search": search}
    return {
        "output": ".._pages_content.children..._pages_store.data..",
        "outputs": outputs,
        "inputs": [{"id": "_pages_location", "property": name, "value": value} for name, value in values.items()],
        "changedPropIds": ["_pages_location.pathname"],
    }
