"""A database of its own, and the commands that people type on it."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from warehouse.settings import PROJECT_ROOT

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Warehouse:
    """A database of its own, and the commands on it."""

    variables: dict[str, str]

    def run(
        self, *command: object, ok: bool = True, code: int = 0, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `mixhouse` or `dbt` as a person would; another exit code fails the test, unless it need not be `ok`."""
        done = subprocess.run(
            [BIN / str(command[0]), *map(str, command[1:])],
            env=os.environ | self.variables,
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not ok or done.returncode == code, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    def dbt(self, folder: Path, *arguments: str) -> str:
        """Run dbt by hand, with its profile, target and logs in that folder; return what it prints."""
        shutil.copyfile(PROJECT_ROOT / "profiles.example.yml", folder / "profiles.yml")
        folders = ["--profiles-dir", folder, "--target-path", folder / "target", "--log-path", folder / "logs"]
        return self.run("dbt", *arguments, *folders, cwd=PROJECT_ROOT).stdout

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(statement.encode()).fetchall()

    def rows(self, statement: str) -> list[dict[str, Any]]:
        with self.connect() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement.encode()).fetchall()

    def connect(self) -> psycopg.Connection:
        parameters = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password"}
        named = {parameter: self.variables[name] for name, parameter in parameters.items()}
        return psycopg.connect(**named, dbname=self.variables["PGDATABASE"])
