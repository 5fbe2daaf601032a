"""Warehouses that went through the whole pipeline, by the commands that people type."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import golden
import psycopg
import pytest
import traps
from commands import Warehouse


@pytest.fixture(scope="session")
def new_warehouse(server: dict[str, str], template: str) -> Callable[..., Warehouse]:
    """Makes a warehouse with nothing in it, or with what another has in it."""
    numbers = itertools.count(1)

    def make(original: Warehouse | None = None) -> Warehouse:
        name = f"integration_{next(numbers)}"
        copied = original.variables["PGDATABASE"] if original else template
        with psycopg.connect(autocommit=True, **server) as connection:
            connection.execute(f"create database {name} template {copied} strategy file_copy")
        keys = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password"}
        return Warehouse({name: server[key] for name, key in keys.items()} | {"PGDATABASE": name})

    return make


@pytest.fixture(scope="session")
def golden_warehouse(
    new_warehouse: Callable[[], Warehouse], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    """The golden playlists, loaded, built and trained."""
    folder = tmp_path_factory.mktemp("golden")
    golden.write(folder)
    warehouse = new_warehouse()
    warehouse.run("mixhouse", "run", folder, code=golden.LOADED)
    yield warehouse


@pytest.fixture(scope="session")
def synthetic_slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10,000 made playlists; two of the slices have traps planted in them."""
    folder = tmp_path_factory.mktemp("synthetic")
    Warehouse({}).run("mixhouse", "synth", folder, "--playlists", 10_000, "--seed", 7)
    for name in ("mpd.slice.2000-2999.json", "mpd.slice.7000-7999.json"):
        traps.plant(folder / name)
    return folder


@pytest.fixture(scope="session")
def synthetic_warehouse(new_warehouse: Callable[[], Warehouse], synthetic_slices: Path) -> Warehouse:
    """The made playlists, loaded, built and trained."""
    warehouse = new_warehouse()
    warehouse.run("mixhouse", "run", synthetic_slices)
    return warehouse
