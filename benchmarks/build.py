"""Measure a build from JSON to marts beside DuckDB, what an added slice costs, look-ups, and how long readers wait.

    make bench-build                                                100 made slices, 3.4 GB of JSON
    .venv/bin/python benchmarks/build.py --slices 5 --only added    less of it
    .venv/bin/python benchmarks/build.py --rehearse                 the whole dataset's size: 1,000 made slices

The machine learning step is left out: load, then both halves of dbt with their tests, as `mixhouse build` runs them.
DuckDB runs the statements that the tests hold the marts against, so that both make the same rows. Everything happens
in a folder that is removed in the end, with an embedded server of its own, durable and with its normal settings.
Results go to `benchmarks/results/build.json`, with the machine.
"""

import argparse
import json
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import psycopg
from lookups import LOOKUPS, explain, scans, worst_cases
from machine import machine
from measuring import own_server, record, seconds_of
from psycopg import sql
from slices import empty_database, load_in_batches, loaded, write_slice, write_slices

from warehouse import embedded
from warehouse.database import connect, environment
from warehouse.dbt import run_dbt, target_folder
from warehouse.pipeline import build
from warehouse.settings import PROJECT_ROOT, home

RESULTS = Path(__file__).parent / "results" / "build.json"
MARTS_IN_DUCKDB = PROJECT_ROOT / "tests" / "integration" / "oracle" / "marts.sql"
LOOKUP_ROUNDS = 7
PARTS = ("added", "lookups", "readers")


# ----------------------------------------------------------------------------------------------------------------------
# dbt


def build_seconds(*, full_refresh: bool = False) -> dict[str, Any]:
    """Build what has landed; the time until the first node of each half starts is dbt's own, and told apart."""
    nodes: dict[str, float] = {}
    node_starts: dict[str, list[float]] = {"before_ml": [], "after_ml": []}
    half_starts = {"before_ml": time.perf_counter()}

    def note_results() -> None:
        results = json.loads((target_folder() / "run_results.json").read_text())["results"]
        nodes.update({result["unique_id"]: result["execution_time"] for result in results})

    def between_the_halves() -> list[Exception]:
        note_results()
        half_starts["after_ml"] = time.perf_counter()
        return []

    outcome = build(
        between_the_halves,
        full_refresh=full_refresh,
        on_node=lambda *_: node_starts[list(half_starts)[-1]].append(time.perf_counter()),
    )
    if outcome.before_ml is None or outcome.after_ml is None:
        raise SystemExit("nothing was built")
    note_results()
    before, after = outcome.before_ml.seconds, outcome.after_ml.seconds
    return {
        "seconds": round(before + after, 2),
        "start_seconds": round(sum(node_starts[half][0] - start for half, start in half_starts.items()), 2),
        "before_ml_seconds": round(before, 2),
        "after_ml_seconds": round(after, 2),
        "nodes": len(nodes),
        "seconds_by_node": {
            name: round(seconds, 2) for name, seconds in sorted(nodes.items(), key=lambda node: -node[1])
        },
    }


def fixed_price() -> dict[str, Any]:
    """What the same build takes when there is nothing to build; the first one also reads the project."""
    empty_database()
    first = build_seconds()
    whole = build_seconds(full_refresh=True)
    return {
        "reading_the_project_start_seconds": first["start_seconds"],
        **{name: whole[name] for name in ("seconds", "start_seconds", "nodes")},
    }


# ----------------------------------------------------------------------------------------------------------------------
# JSON to marts


def make_marts_in_duckdb(slices: Path, database: Path) -> None:
    """Make the five marts of the same files, on disk."""
    with duckdb.connect(database) as connection:
        connection.execute("set variable slices = $1", [f"{slices}/*.json"])
        connection.execute(MARTS_IN_DUCKDB.read_text(encoding="utf-8"))


def marts_seconds(*options: str) -> float:
    """Build the marts alone, with what they need and the tests on it: without most of the insights."""
    options = (*options, "--exclude-resource-type", "unit_test", "--indirect-selection", "cautious")
    return run_dbt(["build", *options, "--select", "+path:models/marts"], environment()).seconds


def measure_full(folder: Path, slices: int) -> dict[str, Any]:
    """Time load and build of everything, that of the marts alone, and DuckDB on the same files."""
    paths = write_slices(folder / "slices", range(slices))
    empty_database()
    report = loaded(folder / "slices")
    marts = marts_seconds("--full-refresh")
    dbt = build_seconds(full_refresh=True)
    database = folder / "duckdb.db"
    in_duckdb = seconds_of(lambda: make_marts_in_duckdb(folder / "slices", database))
    stored = database.stat().st_size
    database.unlink()
    return {
        "slices": slices,
        "megabytes": round(sum(path.stat().st_size for path in paths) / 1e6, 1),
        "load_seconds": round(report.seconds, 2),
        "dbt": dbt,
        "marts_alone_dbt_seconds": round(marts, 2),
        "duckdb_seconds": round(in_duckdb, 2),
        "ratio_of_marts_alone_to_duckdb": round((report.seconds + marts) / in_duckdb, 2),
        "ratio_to_duckdb": round((report.seconds + dbt["seconds"]) / in_duckdb, 2),
        "ratio_to_duckdb_without_start": round((report.seconds + dbt["seconds"] - dbt["start_seconds"]) / in_duckdb, 2),
        "database_gigabytes": database_gigabytes(),
        "duckdb_gigabytes": round(stored / 1e9, 3),
    }


def measure_added(folder: Path, full: dict[str, Any]) -> dict[str, Any]:
    """Time load and build of one more slice, and of the marts alone with another one."""
    (folder / "added").mkdir()
    report = loaded(write_slice(folder / "added", full["slices"]))
    dbt = build_seconds()
    next_report = loaded(write_slice(folder / "added", full["slices"] + 1))
    marts = next_report.seconds + marts_seconds("--exclude", "path:seeds", "path:models/staging")

    ours, whole = report.seconds + dbt["seconds"], full["load_seconds"] + full["dbt"]["seconds"]
    starts = dbt["start_seconds"], full["dbt"]["start_seconds"]
    return {
        "load_seconds": round(report.seconds, 2),
        "dbt": dbt,
        "share_of_full_pct": round(100 * ours / whole, 1),
        "share_of_full_without_start_pct": round(100 * (ours - starts[0]) / (whole - starts[1]), 1),
        "marts_alone_seconds": round(marts, 2),
        "marts_alone_share_of_full_pct": round(
            100 * marts / (full["load_seconds"] + full["marts_alone_dbt_seconds"]), 1
        ),
    }


def database_gigabytes() -> float:
    """Size of the database."""
    with connect(autocommit=True) as connection:
        [(size,)] = connection.execute("select pg_database_size(current_database())").fetchall()
    return round(size / 1e9, 3)


# ----------------------------------------------------------------------------------------------------------------------
# Those who read


def measure_lookups() -> dict[str, Any]:
    """Time each look-up in the server, on what costs most to look up, when it has been looked up before."""
    found = {}
    with connect(autocommit=True) as connection:
        parameters = worst_cases(connection)
        for lookup in LOOKUPS:
            plans = [explain(connection, lookup, parameters, "analyze") for _ in range(LOOKUP_ROUNDS + 1)][1:]
            found[lookup] = {
                "execution_ms": round(statistics.median(plan["Execution Time"] for plan in plans), 3),
                "planning_ms": round(statistics.median(plan["Planning Time"] for plan in plans), 3),
                "scans": dict(scans(plans[-1]["Plan"])),
            }
    return found


@dataclass
class Reader:
    """Polls every mart and insight, one after the other, until it is told to stop.

    Attributes:
        filled: The relations that had rows when it began.
        longest: The longest wait by relation, in seconds.
        missed: How often one of them was not there, or empty.
    """

    filled: list[str]
    longest: dict[str, float] = field(default_factory=dict)
    missed: dict[str, int] = field(default_factory=dict)
    polls: int = 0

    def read_until(self, done: threading.Event) -> None:
        """Poll; each time as one statement of its own."""
        with connect(autocommit=True) as connection:
            while not done.wait(0.005):
                for name in self.filled:
                    started = time.perf_counter()
                    if not has_rows(connection, name):
                        self.missed[name] = self.missed.get(name, 0) + 1
                    self.longest[name] = max(self.longest.get(name, 0), time.perf_counter() - started)
                self.polls += 1


def has_rows(connection: psycopg.Connection, name: str) -> bool:
    """Whether it is there and not empty."""
    try:
        statement = sql.SQL("select exists (select from {})").format(sql.Identifier(*name.split(".")))
        return connection.execute(statement).fetchone() == (True,)
    except psycopg.errors.UndefinedTable:
        return False


def measure_readers() -> dict[str, Any]:
    """Rebuild everything while somebody reads."""
    with connect(autocommit=True) as connection:
        names = connection.execute(
            """
            select relnamespace::regnamespace || '.' || relname
            from pg_class
            where relkind in ('r', 'v') and relnamespace::regnamespace::text in ('marts', 'insights')
            """
        ).fetchall()
        reader = Reader([name for (name,) in names if has_rows(connection, name)])
    done = threading.Event()
    thread = threading.Thread(target=reader.read_until, args=[done])
    thread.start()
    try:
        dbt = build_seconds(full_refresh=True)
    finally:
        done.set()
        thread.join()
    slowest = sorted(reader.longest.items(), key=lambda wait: -wait[1])
    return {
        "rebuild_seconds": dbt["seconds"],
        "relations": len(reader.filled),
        "polls_of_each": reader.polls,
        "longest_wait_ms": {name: round(1000 * seconds, 1) for name, seconds in slowest},
        "seen_empty_or_missing": reader.missed,
    }


# ----------------------------------------------------------------------------------------------------------------------
# The whole dataset's size


@contextmanager
def peak_disk() -> Iterator[Callable[[], float]]:
    """Watch the server's data folder; yields what tells the most gigabytes that it has had."""
    data = embedded.status(home()).data
    peak = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(2):
            peak = max(peak, folder_bytes(data))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: round(peak / 1e9, 2)
    finally:
        done.set()
        watcher.join()


def folder_bytes(folder: Path) -> int:
    """Add up the files; those that go meanwhile do not count."""
    total = 0
    for inner, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(inner) / name).lstat().st_size
    return total


def rehearse(folder: Path, slices: int) -> dict[str, Any]:
    """Load and build as many slices as the dataset has, then look things up."""
    empty_database()
    with peak_disk() as peak:
        load_seconds = 0.0
        for numbers, report in load_in_batches(folder, slices):
            load_seconds += report.seconds
            print(json.dumps({"first_slice": numbers.start, "seconds": round(report.seconds, 1)}), flush=True)
        after_load = database_gigabytes()
        dbt = build_seconds()
    return {
        "slices": slices,
        "load_seconds": round(load_seconds, 1),
        "dbt": dbt,
        "minutes": round((load_seconds + dbt["seconds"]) / 60, 1),
        "database_gigabytes_after_load": after_load,
        "database_gigabytes": database_gigabytes(),
        "peak_data_folder_gigabytes": peak(),
        "lookups": measure_lookups(),
    }


def main() -> None:
    """Measure what the arguments ask for, and put it into the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=100, help="slices to build (default 100, 3.4 GB)")
    parser.add_argument("--only", choices=PARTS, nargs="*", default=PARTS, help="what to measure after the full build")
    parser.add_argument("--rehearse", type=int, nargs="?", const=1000, help="build that many slices (default 1000)")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    described = machine("dbt-core", "dbt-postgres", "duckdb", "msgspec", "psycopg")
    found: dict[str, Any]
    with own_server() as folder:
        if arguments.rehearse:
            found = {"rehearsal": {"machine": described} | rehearse(folder, arguments.rehearse)}
        else:
            found = {"machine": described, "fixed_price": fixed_price()}
            found["full"] = measure_full(folder, arguments.slices)
            if "added" in arguments.only:
                found["added"] = measure_added(folder, found["full"])
            if "lookups" in arguments.only:
                found["lookups"] = measure_lookups()
            if "readers" in arguments.only:
                found["readers"] = measure_readers()
    record(arguments.out, found)


if __name__ == "__main__":
    main()
