"""Measure the web application: answers beside the bare minimum, many clients at once, pages in a browser, queries.

    make bench-web                                            with 100 slices
    .venv/bin/python benchmarks/application.py --slices 5 --seconds 10   less of it

The real server is started, on loopback, beside made slices of the official size that are loaded, built and trained.
Results go to `benchmarks/results/web.json`, with the machine. It needs chromium for the pages.
"""

import argparse
import contextlib
import http.client
import json
import multiprocessing
import random
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import psutil
from machine import machine
from measuring import own_server, record
from playwright.sync_api import Browser, sync_playwright
from slices import PLAYLISTS_A_SLICE, loaded, write_slices

from python_ml import model_store, playlist_popularity
from python_ml.features import PLAYLISTS, read
from python_ml.model_manager import train_all
from warehouse import embedded, pipeline
from warehouse.database import connect
from warehouse.settings import home

RESULTS = Path(__file__).parent / "results" / "web.json"
ROUNDS = 5
CALLS_A_ROUND = 200
CLIENTS = 200
MEASURED_STATEMENTS = "mixhouse web"
METADATA = {
    "name": "summer road trip",
    "num_tracks": 60,
    "num_artists": 41,
    "num_albums": 52,
    "duration_ms": 14_000_000,
    "collaborative": False,
}


class Client:
    """A program that keeps its connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, bytes]:
        """Return the status and the body of the answer."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        self._connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def must(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        """Return the body of an answer that is as it shall be."""
        status, found = self.call(method, path, body)
        if status != 200:
            raise SystemExit(f"{method} {path} answered {status}: {found[:300]!r}")
        return found


@contextlib.contextmanager
def server() -> Iterator[tuple[int, psutil.Process]]:
    """Start the server, without its worker; yields its port and process."""
    command = [sys.executable, "-m", "mixhouse", "serve", "--port", "0", "--no-worker"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            found = re.search(r":(\d+)/", process.stdout.readline() if process.stdout else "")
            if found is None:
                raise SystemExit("the server did not start")
            yield int(found[1]), psutil.Process(process.pid)
        finally:
            process.terminate()


def milliseconds(work: Callable[[], object]) -> float:
    """Return the median of many calls."""
    taken = []
    for _ in range(CALLS_A_ROUND):
        started = time.perf_counter()
        work()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)


def measure_answers(port: int, playlists: int) -> dict[str, Any]:
    """Time the analyses beside `/healthz` and a bare prediction, in alternation."""
    client = Client(port)
    pick = random.Random(0)  # noqa: S311 - not for secrets
    with connect() as connection:
        [(run_id,)] = connection.execute(
            "select run_id from ml.model_runs where model = %s and serving", [playlist_popularity.MODEL]
        ).fetchall()
        model = model_store.load(connection, run_id)
        frame = read(connection, PLAYLISTS).frame.head(1)
    works: dict[str, Callable[[], object]] = {
        "healthz": lambda: client.must("GET", "/healthz"),
        "analyze_by_id": lambda: client.must("POST", "/analyze_playlist", {"playlist_id": pick.randrange(playlists)}),
        "analyze_by_metadata": lambda: client.must("POST", "/analyze_playlist", METADATA_REQUEST),
        "bare_predict": lambda: playlist_popularity.score(model, frame),
    }
    for work in works.values():
        work()
    rounds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            rounds[name].append(milliseconds(work))
    ratios = {
        "by_id_over_healthz": [a / b for a, b in zip(rounds["analyze_by_id"], rounds["healthz"], strict=True)],
        "by_metadata_over_bare_predict_and_healthz": [
            a / (b + c)
            for a, b, c in zip(rounds["analyze_by_metadata"], rounds["bare_predict"], rounds["healthz"], strict=True)
        ],
    }
    return {
        "milliseconds": {name: [round(value, 3) for value in values] for name, values in rounds.items()},
        "ratios": {name: round(statistics.median(values), 2) for name, values in ratios.items()},
        "goals": {"by_id_over_healthz": 3, "by_metadata_over_bare_predict_and_healthz": 2},
    }


METADATA_REQUEST = {"metadata": METADATA}


def hammer(port: int, playlists: int, clients: int, seconds: float, out: "Queue[dict[str, Any]]") -> None:
    """Ask from so many clients, each as soon as it has its answer."""
    lock = threading.Lock()
    statuses: dict[str, int] = {}
    taken: list[float] = []
    until = time.monotonic() + seconds

    def ask(number: int) -> None:
        pick = random.Random(number)  # noqa: S311 - not for secrets
        client = Client(port)
        counted: dict[str, int] = {}
        times = []
        while time.monotonic() < until:
            pid = pick.randrange(playlists)
            requests: list[tuple[str, str, dict[str, Any] | None]] = [
                ("POST", "/analyze_playlist", {"playlist_id": pid}),
                ("GET", f"/playlists/{pid}", None),
                ("POST", "/analyze_playlist", {"playlist_id": pid}),
                ("GET", f"/playlists/{pid}/recommendations", None),
                ("POST", "/analyze_playlist", METADATA_REQUEST),
            ]
            for method, path, body in requests:
                started = time.perf_counter()
                try:
                    key = str(client.call(method, path, body)[0])
                except OSError as error:
                    key, client = type(error).__name__, Client(port)
                times.append((time.perf_counter() - started) * 1000)
                counted[key] = counted.get(key, 0) + 1
        with lock:
            taken.extend(times)
            for key, count in counted.items():
                statuses[key] = statuses.get(key, 0) + count

    threads = [threading.Thread(target=ask, args=[number]) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    out.put({"statuses": statuses, "milliseconds": taken})


def measure_crowd(port: int, process: psutil.Process, playlists: int, seconds: float) -> dict[str, Any]:
    """Ask from many clients at once, and watch the memory of the server."""
    context = multiprocessing.get_context("spawn")
    out: Queue[dict[str, Any]] = context.Queue()
    askers = [context.Process(target=hammer, args=[port, playlists, CLIENTS // 2, seconds, out]) for _ in range(2)]
    for asker in askers:
        asker.start()
    memory = []
    for _ in range(6):
        time.sleep(seconds / 6)
        memory.append(round(process.memory_info().rss / 1e6, 1))
    found = [out.get() for _ in askers]
    for asker in askers:
        asker.join()
    taken = sorted(value for part in found for value in part["milliseconds"])
    statuses: dict[str, int] = {}
    for part in found:
        for key, count in part["statuses"].items():
            statuses[key] = statuses.get(key, 0) + count
    return {
        "clients": CLIENTS,
        "seconds": seconds,
        "answers_by_status": statuses,
        "answers_a_second": round(sum(statuses.values()) / seconds),
        "milliseconds_median": round(statistics.median(taken), 1),
        "milliseconds_p99": round(taken[int(len(taken) * 0.99)], 1),
        "server_megabytes_by_sixth": memory,
    }


def measure_pages(browser: Browser, port: int, paths: Mapping[str, str]) -> dict[str, Any]:
    """Time each page in a browser that has seen none.

    The first paint is the word that stands there while scripts load; the first content of the page itself is its
    heading.
    """
    found = {}
    for name, path in paths.items():
        first, heading = [], []
        for _ in range(3):
            page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
            started = time.perf_counter()
            page.goto(f"http://127.0.0.1:{port}{path}", wait_until="commit")
            page.wait_for_selector("h1")
            heading.append(round((time.perf_counter() - started) * 1000))
            first.append(
                round(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1"))
            )
            page.context.close()
        found[name] = {"first_paint_ms": first, "heading_ms": heading, "heading_goal_ms": 1000}
    return found


def slowest_statements(log: Path, start: int) -> dict[str, Any]:
    """Return what the server says that statements of the application took, the slowest first."""
    text = log.read_bytes()[start:].decode(errors="replace")
    entries = re.findall(
        rf"{MEASURED_STATEMENTS}: LOG:  duration: ([\d.]+) ms  (?:execute|statement)[^:]*: (.*?)(?=\n\S|\Z)",
        text,
        flags=re.DOTALL,
    )
    slowest: dict[str, float] = {}
    for taken, statement in entries:
        key = " ".join(statement.split())[:160]
        slowest[key] = max(slowest.get(key, 0.0), float(taken))
    ordered = sorted(slowest.items(), key=lambda item: -item[1])
    return {
        "statements": len(entries),
        "slowest_ms": {statement: round(taken, 1) for statement, taken in ordered[:8]},
        "over_50_ms": sum(taken > 50 for taken in slowest.values()),
        "goal_ms": 50,
    }


def main() -> None:
    """Measure what the arguments ask for, and put it into the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60, help="how long the many clients ask")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("pages are measured in chromium, which is not installed")
    playlists = arguments.slices * PLAYLISTS_A_SLICE
    found: dict[str, Any] = {
        "machine": machine("flask", "dash", "waitress", "sqlalchemy", "psycopg", "scikit-learn"),
        "playlists": playlists,
    }
    with own_server() as folder:
        loaded(*write_slices(folder / "slices", range(arguments.slices)))
        pipeline.build(lambda: [run.error for run in train_all(connect, trigger="benchmark") if run.error])
        log = embedded.status(home()).log
        if log is None:
            raise SystemExit("the embedded server has no log")
        with server() as (port, process):
            found["answers"] = measure_answers(port, playlists)
            found["crowd"] = measure_crowd(port, process, playlists, arguments.seconds)
        # From here on the server says what each statement takes.
        with connect(autocommit=True) as connection:
            for setting in ("log_min_duration_statement = 0", "log_line_prefix = '%a: '"):
                connection.execute(f"alter system set {setting}".encode())
            connection.execute("select pg_reload_conf()")
            [(artist_id,)] = connection.execute(
                "select artist_id from marts.artists order by playlist_appearances desc limit 1"
            ).fetchall()
            [(pid,)] = connection.execute(
                "select pid from marts.playlists order by num_followers desc limit 1"
            ).fetchall()
        start = log.stat().st_size
        paths = {
            "overview": "/app/",
            "popularity": "/app/popularity",
            "playlist": f"/app/playlists/{pid}",
            "artists": "/app/artists",
            "artist": f"/app/artists/{artist_id}",
            "genres": "/app/genres",
            "runs": "/app/runs",
            "quality": "/app/quality",
            "lineage": "/app/lineage",
        }
        with server() as (port, _), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            found["pages"] = measure_pages(browser, port, paths)
            browser.close()
        found["queries"] = slowest_statements(log, start)
    record(arguments.out, found)


if __name__ == "__main__":
    main()
