"""The recipe of docs/ci.md: its commands, in their order, on a change to a repository with a base branch."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import BIN, Warehouse

from warehouse.settings import PROJECT_ROOT

FILES = ("dbt_project.yml", "profiles.example.yml", "selectors.yml", "packages.yml", ".gitignore")
FOLDERS = ("models", "seeds", "macros", "tests/dbt", "warehouse", "loaders", "python_ml", "mixhouse")
OWN_MODEL = "models/own/loved_playlists.sql"


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    page = (PROJECT_ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    shown = re.search(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    assert shown
    content: dict[Any, Any] = yaml.safe_load(shown[1])
    return content


def git(folder: Path, *arguments: object) -> None:
    identity = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com")
    subprocess.run(["git", *identity, *map(str, arguments)], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def change(tmp_path: Path) -> Path:
    """A checkout of a branch that adds a model to what the branch `main` of its origin has."""
    origin = tmp_path / "origin"
    origin.mkdir()
    for name in FILES:
        shutil.copy(PROJECT_ROOT / name, origin)
    for name in FOLDERS:
        shutil.copytree(PROJECT_ROOT / name, origin / name, ignore=shutil.ignore_patterns("__pycache__"))
    git(origin, "init", "--quiet", "--initial-branch", "main")
    git(origin, "add", ".")
    git(origin, "commit", "--quiet", "--message", "What there was")
    checkout = tmp_path / "checkout"
    git(tmp_path, "clone", "--quiet", origin, checkout)
    git(checkout, "switch", "--quiet", "--create", "change")
    own = checkout / OWN_MODEL
    own.parent.mkdir()
    own.write_text("select pid from {{ ref('playlists') }} where num_followers > 1\n", encoding="utf-8")
    mart = checkout / "models" / "insights" / "artists" / "cluster_profiles.sql"
    mart.write_text(mart.read_text(encoding="utf-8") + "-- changed\n", encoding="utf-8")
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "--message", "A model of our own")
    return checkout


def environment(checkout: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MIXHOUSE_", "PG"))}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return kept | {"PATH": path, "PYTHONPATH": str(checkout), "GITHUB_BASE_REF": "main"}


def test_the_service_is_the_database_that_the_job_uses(workflow: dict[Any, Any]) -> None:
    job = workflow["jobs"]["build"]
    service, variables = job["services"]["postgres"], job["env"]
    assert service["ports"] == ["5432:5432"]
    assert service["env"] == {
        "POSTGRES_USER": variables["PGUSER"],
        "POSTGRES_PASSWORD": variables["PGPASSWORD"],
        "POSTGRES_DB": variables["PGDATABASE"],
    }


def test_the_commands_build_a_change_and_compare_it_with_its_base(
    workflow: dict[Any, Any], change: Path, new_warehouse: Callable[[], Warehouse]
) -> None:
    warehouse = new_warehouse()
    shown = {}
    for step in workflow["jobs"]["build"]["steps"]:
        if "run" not in step or step["name"] == "Install":
            continue
        done = subprocess.run(
            # As the runner calls it.
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=change,
            env=environment(change) | warehouse.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{step['name']}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        shown[step["name"]] = done.stdout

    touched = shown["Build on it what the change touches"]
    assert set(re.findall(r"^mixhouse\.\S+$", touched, flags=re.MULTILINE)) == {
        "mixhouse.own.loved_playlists",
        "mixhouse.insights.artists.cluster_profiles",
        "mixhouse.insights.operations.cluster_changes",
        "mixhouse.insights.operations.training_changes",
    }
    assert "3 table models," in touched
    assert "1 view model " in touched
    uploaded = [step["with"]["path"] for step in workflow["jobs"]["build"]["steps"] if "upload" in step.get("uses", "")]
    for path in uploaded:
        assert "loved_playlists" in (change / path).read_text(encoding="utf-8")
    assert warehouse.query("select count(*) > 0 from insights.cluster_profiles") == [(True,)]


def test_a_model_of_ones_own_reads_public_models_only(change: Path) -> None:
    (change / OWN_MODEL).write_text("select pid from {{ ref('int_playlists_measured') }}\n", encoding="utf-8")
    shutil.copyfile(change / "profiles.example.yml", change / "profiles.yml")
    done = subprocess.run(
        [BIN / "dbt", "parse"], cwd=change, env=environment(change), capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "private to the 'warehouse' group" in done.stdout, done.stdout
