"""Made slices of the official size, and how they come into the database."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from loaders.load import LoadReport, load
from loaders.synthetic import render_slice
from warehouse.database import connect

SEED = 20171031
WORKERS = len(os.sched_getaffinity(0))
PLAYLISTS_A_SLICE = 1000
SLICES_A_BATCH = 100


def write_slices(folder: Path, numbers: range) -> list[Path]:
    """Write official-size made slices."""
    folder.mkdir(exist_ok=True)
    with ProcessPoolExecutor(WORKERS) as pool:
        return list(pool.map(write_slice, [folder] * len(numbers), numbers))


def write_slice(folder: Path, number: int) -> Path:
    """Write one of them."""
    first = number * PLAYLISTS_A_SLICE
    path = folder / f"mpd.slice.{first}-{first + PLAYLISTS_A_SLICE - 1}.json"
    path.write_bytes(render_slice(SEED, number))
    return path


def empty_database() -> None:
    """Make the tables afresh, and forget what dbt made of them."""
    with connect(autocommit=True) as connection:
        connection.execute("drop schema if exists staging, ml, ops, intermediate, features, marts, insights cascade")
        connection.execute("checkpoint")
    connect().close()


def loaded(*paths: Path, workers: int = WORKERS) -> LoadReport:
    """Load, and make sure that everything landed."""
    report = load(connect, paths, workers=workers)
    if not report.is_clean:
        raise SystemExit(f"made slices were refused: {report}")
    return report


def load_in_batches(folder: Path, slices: int) -> Iterator[tuple[range, LoadReport]]:
    """Load that many slices, a batch after the other since the disk need not hold all of them at once."""
    for start in range(0, slices, SLICES_A_BATCH):
        numbers = range(start, min(start + SLICES_A_BATCH, slices))
        paths = write_slices(folder / "batch", numbers)
        yield numbers, loaded(folder / "batch")
        for path in paths:
            path.unlink()
