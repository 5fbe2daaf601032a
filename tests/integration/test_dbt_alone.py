"""`dbt build` by hand, as the README says: green and without a deprecation in each state of the database."""

from collections.abc import Callable
from pathlib import Path

import golden
import pytest
from commands import Warehouse


def dbt_build(warehouse: Warehouse, folder: Path) -> str:
    shown = warehouse.dbt(folder, "build", "--show-all-deprecations")
    assert "deprecat" not in shown.lower()
    return shown


def test_dbt_build_is_green_in_every_state(new_warehouse: Callable[[], Warehouse], tmp_path: Path) -> None:
    warehouse = new_warehouse()
    assert "ERROR=0" in dbt_build(warehouse, tmp_path)
    assert warehouse.query("select count(*) from marts.playlists") == [(0,)]

    golden.write(tmp_path / "slices")
    warehouse.run("mixhouse", "load", tmp_path / "slices", code=golden.LOADED)
    assert "ERROR=0" in dbt_build(warehouse, tmp_path)
    assert warehouse.query("select count(*), count(predicted_followers) from marts.playlists") == [
        (len(golden.PLAYLISTS), 0)
    ]

    warehouse.run("mixhouse", "train")
    assert "ERROR=0" in dbt_build(warehouse, tmp_path)
    assert warehouse.query("select count(*) - count(predicted_followers) from marts.playlists") == [(0,)]


@pytest.mark.parametrize("selector", ["before_ml", "after_ml"])
def test_selectors_split_the_project_in_two(selector: str, golden_warehouse: Warehouse, tmp_path: Path) -> None:
    arguments = ("--quiet", "ls", "--resource-type", "model", "--output", "name", "--selector", selector)
    listed = golden_warehouse.dbt(tmp_path, *arguments).split()
    early, late = "playlist_features", "playlist_recommendations"
    assert (early in listed, late in listed) == ((True, False) if selector == "before_ml" else (False, True))


def test_sources_of_a_loaded_and_trained_warehouse_are_fresh(golden_warehouse: Warehouse, tmp_path: Path) -> None:
    shown = golden_warehouse.dbt(tmp_path, "source", "freshness")
    assert "PASS freshness of mpd.playlists" in shown
    assert "WARN" not in shown
