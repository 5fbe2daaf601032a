"""What is left when a step fails, and that the same command goes on from there."""

from collections.abc import Callable
from pathlib import Path

import golden
from commands import Warehouse

from python_ml.train_models import TRAINING_LOCK
from warehouse.pipeline import BUILD_LOCK


def test_new_playlists_reach_the_marts_whether_or_not_a_model_can_be_trained(
    new_warehouse: Callable[[], Warehouse], tmp_path: Path
) -> None:
    golden.write(tmp_path)
    warehouse = new_warehouse()
    with warehouse.connect() as other:
        other.execute("select pg_advisory_lock(%s)", [TRAINING_LOCK])
        done = warehouse.run("mixhouse", "run", tmp_path, ok=False)
    assert done.returncode == 5
    assert "another session is training" in done.stderr.strip().splitlines()[-1]
    assert warehouse.query("select count(*), count(predicted_followers) from marts.playlists") == [
        (len(golden.PLAYLISTS), 0)
    ]


def test_of_two_builds_at_once_the_second_says_so(new_warehouse: Callable[[], Warehouse]) -> None:
    warehouse = new_warehouse()
    with warehouse.connect() as other:
        other.execute("select pg_advisory_lock(%s)", [BUILD_LOCK])
        done = warehouse.run("mixhouse", "build", ok=False)
    assert done.returncode == 4
    assert "another build is running" in done.stderr


def test_a_failed_test_stops_the_build_and_is_named(new_warehouse: Callable[[], Warehouse], tmp_path: Path) -> None:
    golden.write(tmp_path)
    warehouse = new_warehouse()
    warehouse.run("mixhouse", "load", tmp_path, code=golden.LOADED)
    with warehouse.connect() as connection:
        connection.execute("update staging.playlists set num_followers = 0 where pid = 0")
    done = warehouse.run("mixhouse", "build", ok=False)
    assert done.returncode == 4
    line = done.stderr.strip().splitlines()[-1]
    assert "assert_data_quality_rules_hold" in line
    assert "dbt.log" in line
    assert warehouse.query("select outcome from ops.builds") == [("failed",)]
    # Nothing was built on what failed.
    assert warehouse.query("select to_regclass('marts.playlists')") == [(None,)]
