"""`dbt build` by hand, as the README says: green and without a deprecation in each state of the database."""

import shutil
from collections.abc import Callable
from pathlib import Path

import golden
import pytest
from commands import Warehouse

from warehouse.settings import PROJECT_ROOT


def dbt_build(warehouse: Warehouse, folder: Path) -> str:
    shutil.copyfile(PROJECT_ROOT / "profiles.example.yml", folder / "profiles.yml")
    folders = ["--profiles-dir", folder, "--target-path", folder / "target", "--log-path", folder / "logs"]
    done = warehouse.run("dbt", "build", "--no-partial-parse", "--show-all-deprecations", *folders, cwd=PROJECT_ROOT)
    assert "deprecat" not in done.stdout.lower()
    return done.stdout


def test_dbt_build_is_green_in_every_state(new_warehouse: Callable[[], Warehouse], tmp_path: Path) -> None:
    warehouse = new_warehouse()
    assert "ERROR=0" in dbt_build(warehouse, tmp_path)
    assert warehouse.query("select count(*) from marts.playlists") == [(0,)]

    golden.write(tmp_path / "slices")
    warehouse.run("mixhouse", "load", tmp_path / "slices")
    assert "ERROR=0" in dbt_build(warehouse, tmp_path)
    assert warehouse.query("select count(*), count(predicted_followers) from marts.playlists") == [
        (len(golden.PLAYLISTS), 0)
    ]

    warehouse.run("mixhouse", "train")
    assert "ERROR=0" in dbt_build(warehouse, tmp_path)
    assert warehouse.query("select count(*) - count(predicted_followers) from marts.playlists") == [(0,)]


@pytest.mark.parametrize("selector", ["before_ml", "after_ml"])
def test_selectors_split_the_project_in_two(selector: str, golden_warehouse: Warehouse, tmp_path: Path) -> None:
    shutil.copyfile(PROJECT_ROOT / "profiles.example.yml", tmp_path / "profiles.yml")
    folders = ["--profiles-dir", tmp_path, "--target-path", tmp_path / "target", "--log-path", tmp_path / "logs"]
    listed = golden_warehouse.run(
        "dbt",
        "--quiet",
        "ls",
        "--resource-type",
        "model",
        "--output",
        "name",
        "--selector",
        selector,
        *folders,
        cwd=PROJECT_ROOT,
    ).stdout.split()
    early, late = "playlist_features", "playlist_recommendations"
    assert (early in listed, late in listed) == ((True, False) if selector == "before_ml" else (False, True))
