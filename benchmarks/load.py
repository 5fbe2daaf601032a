"""Measure loading beside `orjson.loads` on one core and DuckDB's `read_json`, in alternation on the same files.

    make bench-load                                    ratios, memory, and what loading again costs
    .venv/bin/python benchmarks/load.py --rehearse     the whole dataset's size: 1,000 made slices, 34 GB of JSON

Everything happens in a folder that is removed in the end, with an embedded server of its own, durable and with its
normal settings. Results go to `benchmarks/results/load.json`, with the machine.
"""

import argparse
import json
import os
import statistics
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import orjson
import psutil
from machine import machine
from measuring import own_server, record, seconds_of
from slices import SEED, SLICES_A_BATCH, WORKERS, empty_database, loaded, write_slices

from loaders.load import load
from loaders.schema import split
from loaders.synthetic import render_slice
from warehouse.database import connect, environment

TWIN_VARIABLES = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGSSLMODE", "PGDATABASE")
RESULTS = Path(__file__).parent / "results" / "load.json"


# ----------------------------------------------------------------------------------------------------------------------
# Input


def write_long_slice(path: Path, numbers: range) -> None:
    """Write one slice with the playlists of several."""
    slices = [split(render_slice(SEED, number)) for number in numbers]
    playlists = (bytes(playlist) for part in slices for playlist in part.playlists)
    path.write_bytes(b'{"info": ' + slices[0].info + b', "playlists": [\n' + b",\n".join(playlists) + b"\n]}")


# ----------------------------------------------------------------------------------------------------------------------
# Measuring


@contextmanager
def peak_memory() -> Iterator[Callable[[], int]]:
    """Watch the processes that load; yields what tells the most resident megabytes that one of them has had."""
    peak = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            for child in psutil.Process().children():
                try:
                    if "spawn_main" in " ".join(child.cmdline()):
                        peak = max(peak, child.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: round(peak / 1e6)
    finally:
        done.set()
        watcher.join()


def parse_with_orjson(paths: list[Path]) -> None:
    """Parse every file, one after the other, on one core."""
    for path in paths:
        orjson.loads(path.read_bytes())


def make_duckdb_table(folder: Path, database: str) -> None:
    """Make one table of the same files, a row a playlist, types detected, as its documentation shows."""
    with duckdb.connect(database) as connection:
        connection.execute(
            "create table playlists as select unnest(playlists) as playlist"  # noqa: S608 - a path of ours
            f" from read_json('{folder}/*.json', maximum_object_size = 64000000)"
        )


def measure_ratios(folder: Path, slices: int, rounds: int) -> dict[str, Any]:
    """Time the three in alternation."""
    paths = write_slices(folder / "slices", range(slices))
    megabytes = sum(path.stat().st_size for path in paths) / 1e6
    database = folder / "duckdb.db"
    rates: dict[str, list[float]] = {name: [] for name in ("orjson", "duckdb_in_memory", "duckdb_on_disk", "mixhouse")}
    parse_with_orjson(paths[:2])  # page cache and imports
    for _ in range(rounds):
        database.unlink(missing_ok=True)
        empty_database()
        rates["orjson"].append(megabytes / seconds_of(lambda: parse_with_orjson(paths)))
        rates["duckdb_in_memory"].append(
            megabytes / seconds_of(lambda: make_duckdb_table(folder / "slices", ":memory:"))
        )
        rates["duckdb_on_disk"].append(
            megabytes / seconds_of(lambda: make_duckdb_table(folder / "slices", str(database)))
        )
        rates["mixhouse"].append(megabytes / seconds_of(lambda: loaded(folder / "slices")))
    with connect(autocommit=True) as connection:
        [(size,)] = connection.execute("select pg_total_relation_size('staging.playlists')").fetchall()
    ours = rates["mixhouse"]
    return {
        "slices": slices,
        "megabytes": round(megabytes, 1),
        "workers": WORKERS,
        "megabytes_per_second": {name: [round(rate, 1) for rate in found] for name, found in rates.items()},
        "ratio_to": {
            name: round(statistics.median(a / b for a, b in zip(ours, found, strict=True)), 2)
            for name, found in rates.items()
            if name != "mixhouse"
        },
        "stored_megabytes": round(size / 1e6, 1),
        "duckdb_stored_megabytes": round(database.stat().st_size / 1e6, 1),
    }


def measure_sources(folder: Path) -> dict[str, Any]:
    """Load the same slices from a zip archive, and look again at what has landed."""
    paths = sorted((folder / "slices").iterdir())
    megabytes = sum(path.stat().st_size for path in paths) / 1e6
    archive = folder / "mpd.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for path in paths:
            target.write(path, f"data/{path.name}")
    empty_database()
    from_zip = megabytes / seconds_of(lambda: loaded(archive))
    again = seconds_of(lambda: loaded(archive))
    verified = megabytes / seconds_of(lambda: load(connect, [archive], verify=True, workers=WORKERS))
    archive.unlink()
    return {
        "zip_megabytes_per_second": round(from_zip, 1),
        "zip_again_seconds": round(again, 3),
        "zip_verify_megabytes_per_second": round(verified, 1),
    }


def measure_memory(folder: Path) -> dict[str, Any]:
    """Watch the processes that load slices of the usual size, and of ten times that."""
    empty_database()
    with peak_memory() as usual:
        loaded(folder / "slices")
    long = [folder / "long" / f"mpd.slice.{number}-{number}.json" for number in range(2)]
    long[0].parent.mkdir()
    for number, path in enumerate(long):
        write_long_slice(path, range(10 * number, 10 * number + 10))
    megabytes = long[0].stat().st_size / 1e6
    empty_database()
    with peak_memory() as most:
        loaded(folder / "long", workers=2)
    for path in long:
        path.unlink()
    return {
        "usual_slice_peak_megabytes": usual(),
        "long_slice_megabytes": round(megabytes),
        "long_slice_peak_megabytes": most(),
        "long_slice_peak_ratio": round(most() / megabytes, 2),
    }


def measure_again(folder: Path, slices: int) -> dict[str, Any]:
    """Load many small slices twice: what looking at the ledger costs."""
    (folder / "many").mkdir()
    small = split(render_slice(SEED, 0))
    for number, playlist in zip(range(slices), small.playlists, strict=False):
        data = b'{"info": ' + small.info + b', "playlists": [' + bytes(playlist) + b"]}"
        (folder / "many" / f"mpd.slice.{number}-{number}.json").write_bytes(data)
    empty_database()
    loaded(folder / "many")
    return {"slices": slices, "seconds": round(seconds_of(lambda: loaded(folder / "many")), 3)}


@contextmanager
def empty_twin() -> Iterator[None]:
    """Mean an empty database beside the usual one, on the same server, and drop it again."""
    kept = {name: os.environ.get(name) for name in TWIN_VARIABLES}
    variables = environment()
    with connect(autocommit=True) as connection:
        connection.execute("create database twin template template0")
    os.environ |= {name: variables[name] for name in TWIN_VARIABLES if name in variables} | {"PGDATABASE": "twin"}
    try:
        connect().close()
        yield
    finally:
        for name, value in kept.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        with connect(autocommit=True) as connection:
            connection.execute("drop database twin")


def seconds_in_twin(folder: Path) -> float:
    """Load the same files into a database that has nothing yet."""
    with empty_twin():
        return loaded(folder).seconds


def rehearse(folder: Path, slices: int) -> dict[str, Any]:
    """Load as many slices as the dataset has, a batch after the other since the disk need not hold all at once.

    Each batch also lands in an empty database, before or after in turn. A machine that others use is slower at one
    moment than at another; what the slices that are there already cost is the ratio of the two.
    """
    empty_database()
    batches: list[dict[str, float]] = []
    megabytes = seconds = 0.0
    batch = folder / "batch"
    with peak_memory() as peak:
        for start in range(0, slices, SLICES_A_BATCH):
            numbers = range(start, min(start + SLICES_A_BATCH, slices))
            paths = write_slices(batch, numbers)
            twin_first = len(batches) % 2 == 1
            twin = seconds_in_twin(batch) if twin_first else 0.0
            report = loaded(batch)
            twin = twin if twin_first else seconds_in_twin(batch)
            for path in paths:
                path.unlink()
            megabytes += report.bytes / 1e6
            seconds += report.seconds
            batches.append(
                {
                    "first_slice": start,
                    "seconds_a_slice": round(report.seconds / len(numbers), 4),
                    "seconds_a_slice_into_an_empty_database": round(twin / len(numbers), 4),
                    "megabytes_per_second": round(report.bytes / 1e6 / report.seconds, 1),
                }
            )
            print(json.dumps(batches[-1]), flush=True)
    with connect(autocommit=True) as connection:
        [(database_size,)] = connection.execute("select pg_database_size(current_database())").fetchall()
        [(playlists, track_rows)] = connection.execute(
            "select count(*), sum(cardinality(track_ids)) from staging.playlists where superseded_at is null"
        ).fetchall()
    return {
        "slices": slices,
        "loads": len(batches),
        "playlists": playlists,
        "track_rows": int(track_rows),
        "megabytes": round(megabytes),
        "seconds": round(seconds, 1),
        "megabytes_per_second": round(megabytes / seconds, 1),
        "ratio_to_an_empty_database": round(
            statistics.median(
                each["seconds_a_slice"] / each["seconds_a_slice_into_an_empty_database"] for each in batches[1:]
            ),
            3,
        ),
        "peak_megabytes_of_a_worker": peak(),
        "database_gigabytes": round(database_size / 1e9, 2),
        "batches": batches,
    }


def main() -> None:
    """Measure what the arguments ask for, and put it into the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=20, help="slices to compare on (default 20, 686 MB)")
    parser.add_argument("--rounds", type=int, default=3, help="how often the three take turns (default 3)")
    parser.add_argument("--rehearse", type=int, nargs="?", const=1000, help="load that many slices (default 1000)")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    described = machine("duckdb", "msgspec", "orjson", "psycopg")
    with own_server() as folder:
        if arguments.rehearse:
            found = {"rehearsal": {"machine": described} | rehearse(folder, arguments.rehearse)}
        else:
            found = {
                "machine": described,
                "ratios": measure_ratios(folder, arguments.slices, arguments.rounds),
                "sources": measure_sources(folder),
                "memory": measure_memory(folder),
                "again": measure_again(folder, 1000),
            }
    record(arguments.out, found)


if __name__ == "__main__":
    main()
