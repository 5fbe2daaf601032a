"""No feature knows followers: the same playlists land with followers that say nothing, and with some that say much."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import Warehouse

from loaders.synthetic import render_slice
from python_ml import features, playlist_popularity

Json = dict[str, Any]
Values = dict[tuple[str | None, str, str | None], float]

SLICES = range(3)
ALL_FEATURES = list(playlist_popularity.ALL_FEATURES)


def land(warehouse: Warehouse, folder: Path, playlists: Sequence[Json], followers: Sequence[int]) -> pd.DataFrame:
    """Load the playlists with these followers, let SQL make the features, and read them as a training does."""
    folder.mkdir()
    landed = [{**one, "num_followers": int(count)} for one, count in zip(playlists, followers, strict=True)]
    for number in SLICES:
        path = folder / f"mpd.slice.{1000 * number}-{1000 * number + 999}.json"
        part = landed[1000 * number : 1000 * (number + 1)]
        path.write_text(json.dumps({"info": {"version": "v1"}, "playlists": part}), encoding="utf-8")
    warehouse.run("mixhouse", "load", folder)
    warehouse.dbt(
        folder, "build", "--resource-type", "model", "--resource-type", "seed", "--select", "+playlist_features"
    )
    with warehouse.connect() as connection:
        return features.read(connection, features.PLAYLISTS).frame


@pytest.fixture(scope="module")
def landed(new_warehouse: Callable[[], Warehouse], tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """Features of made playlists with their followers shuffled, and then with followers that follow from length."""
    warehouse, folder = new_warehouse(), tmp_path_factory.mktemp("leakage")
    playlists = [one for number in SLICES for one in json.loads(render_slice(11, number))["playlists"]]
    draw = np.random.default_rng(3)
    shuffled = draw.permutation([one["num_followers"] for one in playlists])
    length = np.log([len(one["tracks"]) for one in playlists])
    planted = 1 + draw.poisson(np.exp(1.2 * (length - length.mean())))
    return {
        "shuffled": land(warehouse, folder / "shuffled", playlists, shuffled),
        "planted": land(warehouse, folder / "planted", playlists, planted),
    }


def test_no_feature_changes_when_followers_do(landed: dict[str, pd.DataFrame]) -> None:
    before, after = landed["shuffled"], landed["planted"]
    assert len(before) == 1000 * len(SLICES)
    # Its own for most playlists, and those of others for every one.
    assert (before["num_followers"] != after["num_followers"]).mean() > 0.5
    pd.testing.assert_frame_equal(before[ALL_FEATURES], after[ALL_FEATURES], check_exact=True)


@pytest.fixture(scope="module")
def measured(landed: dict[str, pd.DataFrame]) -> dict[str, Values]:
    """Means over the repeated splits, by candidate or constant, measure and scale."""
    return {
        followers: {
            metric[:3]: metric.value
            for metric in playlist_popularity.train(frame, None).metrics
            if metric.split == "repeated_mean"
        }
        for followers, frame in landed.items()
    }


def gains(values: Values, candidate: str) -> dict[tuple[str, str | None], float]:
    """By how much a candidate is better than the best constant, by measure and scale: errors as shares of its own."""
    found = {}
    for scale in ("raw", "log1p"):
        for error in ("rmse", "mae"):
            best = min(values[name, error, scale] for name in ("constant_one", "constant_mean", "constant_median"))
            found[error, scale] = 1 - values[candidate, error, scale] / best
    for measure, scale in (("r2", "raw"), ("r2", "log1p"), ("spearman", None)):
        found[measure, scale] = values[candidate, measure, scale]
    for least in (2, 10):
        ranking, precision = f"roc_auc_at_least_{least}", f"average_precision_at_least_{least}"
        found[ranking, None] = values[candidate, ranking, None] - 0.5
        found[precision, None] = values[candidate, precision, None] - values["constant_one", precision, None]
    return found


# Three standard errors of a ranking of the 2,400 playlists, of which 600 and 60 have that many followers.
NOISE = {
    "spearman": 0.06,
    "roc_auc_at_least_2": 0.04,
    "roc_auc_at_least_10": 0.11,
    "average_precision_at_least_2": 0.03,
    "average_precision_at_least_10": 0.03,
}


@pytest.mark.parametrize("candidate", playlist_popularity.CANDIDATES)
def test_with_shuffled_followers_every_score_falls_to_that_of_a_constant(
    measured: dict[str, Values], candidate: str
) -> None:
    for (measure, scale), gain in gains(measured["shuffled"], candidate).items():
        assert gain <= NOISE.get(measure, 0.005), (measure, scale)
        if measure in NOISE:
            assert gain >= -NOISE[measure], (measure, scale)


@pytest.mark.parametrize("candidate", playlist_popularity.CANDIDATES)
def test_on_the_same_playlists_every_score_finds_what_is_planted(measured: dict[str, Values], candidate: str) -> None:
    for (measure, scale), gain in gains(measured["planted"], candidate).items():
        assert gain > max(0.15, NOISE.get(measure, 0)), (measure, scale)
