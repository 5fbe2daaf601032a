"""What is new gets its predictions: scored if it is little, trained on if it is much, and from a watched folder too."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import BIN, Warehouse

from loaders.synthetic import render_slice

DEADLINE_SECONDS = 300


@pytest.fixture
def warehouse(new_warehouse: Callable[..., Warehouse], golden_warehouse: Warehouse, tmp_path: Path) -> Warehouse:
    copy = new_warehouse(golden_warehouse)
    return Warehouse(copy.variables | {"MIXHOUSE_HOME": str(tmp_path / "home")})


def write_slice(path: Path, playlists: int) -> Path:
    """Write that many made playlists, which the golden ones are not."""
    made = json.loads(render_slice(5, 7, playlists))["playlists"]
    path.write_text(json.dumps({"info": {"version": "v1"}, "playlists": made}), encoding="utf-8")
    return path


def unpredicted(warehouse: Warehouse) -> int:
    [(count,)] = warehouse.query("select count(*) from marts.playlists where predicted_followers is null")
    return int(count)


def test_a_few_new_playlists_are_scored_and_many_lead_to_a_training(warehouse: Warehouse, tmp_path: Path) -> None:
    assert (
        "next: nothing, since run 1 has scored all playlists as they are" in warehouse.run("mixhouse", "models").stdout
    )
    before = warehouse.query("select pid, predicted_followers from marts.playlists order by pid")

    warehouse.run("mixhouse", "load", write_slice(tmp_path / "mpd.slice.7000-7001.json", 2))
    warehouse.dbt(tmp_path, "run", "--select", "+playlist_features", "+artist_features")
    assert "next: score, since 2 playlists are new or changed" in warehouse.run("mixhouse", "models").stdout
    scored = warehouse.run("mixhouse", "build").stdout
    assert "Scored 2 rows with playlist_popularity" in scored
    reports = tmp_path / "home" / "reports"
    assert f"Report: {reports / 'latest.html'}" in scored
    assert len([*reports.glob("*-runs-*.html")]) == 1
    assert unpredicted(warehouse) == 0
    assert warehouse.query("select run_id, scored_with from ml.model_runs where model = 'playlist_popularity'") == [
        (1, None),
        (3, 1),
    ]
    after = dict(warehouse.query("select pid, predicted_followers from marts.playlists"))
    assert [(pid, after[pid]) for pid, _ in before] == before
    assert len(after) == len(before) + 2
    # Building again, also in full, takes what was scored and not only what was trained on.
    assert "up to date" in warehouse.run("mixhouse", "build").stdout

    warehouse.run("mixhouse", "load", write_slice(tmp_path / "mpd.slice.7000-7100.json", 103))
    # What was built stays built where no report can be written.
    shutil.rmtree(reports)
    reports.touch()
    trained = warehouse.run("mixhouse", "build")
    assert "Trained playlist_popularity on" in trained.stdout
    assert f"warning: no report was written: {reports}" in trained.stderr.replace("\n", " ")
    assert unpredicted(warehouse) == 0
    [(kept,)] = warehouse.query("select count(distinct run_id) from ml.playlist_predictions")
    assert kept == 3
    assert_compared(warehouse, tmp_path)


def assert_compared(warehouse: Warehouse, folder: Path) -> None:
    """The insights and the report hold the last training against the one before, and not what was scored in between."""
    changes = {row["model_name"]: row for row in warehouse.rows("select * from insights.training_changes")}
    predicted: dict[int, dict[int, float]] = {}
    for run_id, pid, followers in warehouse.query(
        "select run_id, pid, predicted_followers from ml.playlist_predictions"
    ):
        predicted.setdefault(run_id, {})[pid] = followers
    popularity = changes["playlist_popularity"]
    then, now = predicted[popularity["previous_run_id"]], predicted[popularity["run_id"]]
    assert (popularity["previous_run_id"], popularity["run_id"]) == (1, max(predicted))
    both = then.keys() & now.keys()
    assert popularity["rows_in_both"] == len(both)
    assert popularity["rows_added"] == len(now) - len(both) == len(now.keys() - then.keys())
    ratios = {pid: now[pid] / then[pid] for pid in both}
    moved = {pid: ratio for pid, ratio in ratios.items() if max(ratio, 1 / ratio) >= 1.1}
    assert popularity["rows_moved"] == len(moved) > 0
    first = warehouse.query("select pid, predicted_ratio from insights.prediction_changes order by change_rank")
    assert dict(first) == moved
    largest = [max(ratio, 1 / ratio) for _, ratio in first]
    assert largest == sorted(largest, reverse=True)

    trends = changes["artist_trends"]
    clusters = "select artist_uri, cluster_id from ml.artist_clusters where run_id = {}"
    before = dict(warehouse.query(clusters.format(trends["previous_run_id"])))
    after = dict(warehouse.query(clusters.format(trends["run_id"])))
    flows = Counter((cluster, after[artist]) for artist, cluster in before.items() if artist in after)
    found = warehouse.query("select previous_cluster_id, cluster_id, num_artists from insights.cluster_changes")
    assert {(one, other): artists for one, other, artists in found} == flows
    assert trends["rows_moved"] == sum(artists for (one, other), artists in flows.items() if one != other)

    warehouse.run("mixhouse", "report", "--output", folder / "report.html")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert f"Of the {len(both)} playlists in both, {len(moved)} (" in page
    assert f"Of the {sum(flows.values())} artists in both, {trends['rows_moved']} (" in page


def test_what_lands_in_a_watched_folder_reaches_the_marts(warehouse: Warehouse, tmp_path: Path) -> None:
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    [(before,)] = warehouse.query("select count(*) from marts.playlists")
    process = subprocess.Popen(
        [BIN / "mixhouse", "watch", incoming, "--settle", "0"],
        env=os.environ | warehouse.variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts the tests in the background has them ignore interrupts, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        write_slice(tmp_path / "part", 3).rename(incoming / "mpd.slice.7000-7002.json")
        deadline = time.monotonic() + DEADLINE_SECONDS
        landed = "select count(*), count(predicted_followers) from marts.playlists"
        while warehouse.query(landed) != [(before + 3, before + 3)]:
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()
            time.sleep(0.5)
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130, errors
