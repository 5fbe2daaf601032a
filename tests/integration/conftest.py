"""Warehouses that went through the whole pipeline, by the commands that people type."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import golden
import psycopg
import pytest
from psycopg.rows import dict_row

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Warehouse:
    """A database of its own, and the commands on it."""

    variables: dict[str, str]

    def run(self, *command: object, ok: bool = True, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run `mixhouse` or `dbt` as a person would; anything but exit code 0 fails the test, unless told otherwise."""
        done = subprocess.run(
            [BIN / str(command[0]), *map(str, command[1:])],
            env=os.environ | self.variables,
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not ok or done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(statement.encode()).fetchall()

    def rows(self, statement: str) -> list[dict[str, Any]]:
        with self.connect() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement.encode()).fetchall()

    def connect(self) -> psycopg.Connection:
        parameters = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password"}
        named = {parameter: self.variables[name] for name, parameter in parameters.items()}
        return psycopg.connect(**named, dbname=self.variables["PGDATABASE"])  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def new_warehouse(server: dict[str, str], template: str) -> Callable[[], Warehouse]:
    """Makes a warehouse with nothing in it."""
    numbers = itertools.count(1)

    def make() -> Warehouse:
        name = f"integration_{next(numbers)}"
        with psycopg.connect(autocommit=True, **server) as connection:  # type: ignore[arg-type]
            connection.execute(f"create database {name} template {template}")
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
    warehouse.run("mixhouse", "run", folder)
    yield warehouse


@pytest.fixture(scope="session")
def synthetic_slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 made playlists."""
    folder = tmp_path_factory.mktemp("synthetic")
    Warehouse({}).run("mixhouse", "synth", folder, "--playlists", 2000, "--seed", 7)
    return folder


@pytest.fixture(scope="session")
def synthetic_warehouse(new_warehouse: Callable[[], Warehouse], synthetic_slices: Path) -> Warehouse:
    """The made playlists, loaded, built and trained."""
    warehouse = new_warehouse()
    warehouse.run("mixhouse", "run", synthetic_slices)
    return warehouse
