from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from python_ml import evaluation, playlist_popularity
from python_ml.errors import NotEnoughData
from python_ml.playlist_popularity import Popularity

ORDER = [
    "num_tracks",
    "num_artists",
    "num_albums",
    "duration_ms",
    "collaborative",
    "tracks_per_artist",
    "avg_tracks_per_album",
    "avg_track_duration",
    "unique_artists",
]


def fitted_predictions(playlists: pd.DataFrame) -> pd.DataFrame:
    return playlist_popularity.predict(playlist_popularity.fit(playlists), playlists)


def held_out_r2(playlists: pd.DataFrame) -> float:
    predictions = fitted_predictions(playlists)
    held_out = predictions["is_held_out"]
    return r2_score(playlists.loc[held_out, "num_followers"], predictions.loc[held_out, "predicted_followers"])


def test_anyone_with_scikit_learn_gets_the_same_predictions_to_the_last_digit(playlists):
    train, test, target, _ = train_test_split(
        playlists[ORDER], playlists["num_followers"], test_size=0.2, random_state=42
    )
    forest = RandomForestRegressor(n_estimators=100, max_depth=10, random_state=42).fit(train, target)
    predictions = fitted_predictions(playlists)
    assert predictions["predicted_followers"].to_list() == forest.predict(playlists[ORDER]).tolist()
    assert set(predictions.index[predictions["is_held_out"]]) == set(test.index)
    importances = playlist_popularity.importances(playlist_popularity.fit(playlists))
    assert importances.to_dict() == dict(zip(ORDER, forest.feature_importances_, strict=True))


def test_a_planted_effect_is_found_on_playlists_the_model_never_saw(playlists):
    assert held_out_r2(playlists) > 0.95
    importances = playlist_popularity.importances(playlist_popularity.fit(playlists))
    assert importances.idxmax() == "num_tracks"
    assert importances.sum() == pytest.approx(1)


def test_no_effect_is_found_where_there_is_none(playlists):
    shuffled = np.random.default_rng(3).permutation(playlists["num_followers"])
    assert held_out_r2(playlists.assign(num_followers=shuffled)) < 0.1


def test_every_playlist_gets_a_prediction_and_one_in_five_was_held_out(playlists):
    predictions = fitted_predictions(playlists)
    assert predictions.index.equals(playlists.index)
    assert predictions["predicted_followers"].between(1, playlists["num_followers"].max()).all()
    assert predictions["is_held_out"].sum() == 60


def test_ten_playlists_are_enough_and_nine_are_refused_with_both_numbers(playlists):
    assert len(fitted_predictions(playlists.head(10))) == 10
    with pytest.raises(NotEnoughData, match=r"at least 10 playlists .* there are 9;"):
        playlist_popularity.fit(playlists.head(9))


def test_no_playlists_are_refused_not_crashed_on(playlists):
    with pytest.raises(NotEnoughData, match="there are 0;"):
        playlist_popularity.fit(playlists.head(0))


def test_a_constant_target_is_predicted_and_has_no_important_feature(playlists):
    constant = playlists.assign(num_followers=1.0)
    assert (fitted_predictions(constant)["predicted_followers"] == 1).all()
    assert (playlist_popularity.importances(playlist_popularity.fit(constant)) == 0).all()


@pytest.fixture(scope="module")
def found(effect) -> Popularity:
    return playlist_popularity.train(effect, None)


@pytest.fixture(scope="module")
def shuffled(effect) -> pd.DataFrame:
    return effect.assign(num_followers=np.random.default_rng(3).permutation(effect["num_followers"]))


@pytest.fixture(scope="module")
def nothing(shuffled) -> Popularity:
    return playlist_popularity.train(shuffled, "poisson_boosting")


def measured(result: Popularity) -> dict[tuple[str | None, str, str | None, str | None], float]:
    values = {metric[:4]: metric.value for metric in result.metrics}
    assert len(values) == len(result.metrics)
    return values


def test_a_planted_effect_lets_a_challenger_serve_and_is_found_by_every_measure(found):
    values = measured(found)
    assert found.champion in {"poisson_boosting", "two_part"}
    assert values[found.champion, "r2", "log1p", "repeated_mean"] > 0.15
    assert values[found.champion, "spearman", None, "repeated_mean"] > 0.3
    assert values[found.champion, "roc_auc_at_least_2", None, "repeated_mean"] > 0.75
    for constant in ("constant_one", "constant_mean", "constant_median"):
        for metric in ("rmse", "mae"):
            error = values[found.champion, metric, "log1p", "test"]
            assert error < values[constant, metric, "log1p", "repeated_mean"]
    permutation = found.importances["permutation"]
    assert set(permutation.nlargest(2).index) == {"num_edits", "has_description"}
    assert permutation.drop(["num_edits", "has_description"]).abs().max() < permutation["has_description"] / 10


def standardised(feature: pd.Series) -> pd.Series:
    return (feature - feature.mean()) / feature.std()


def counts_of_one_rate(playlists: pd.DataFrame, draw: np.random.Generator) -> np.ndarray:
    """Poisson counts; edits raise the rate of long playlists and lower that of short ones."""
    length, edits = standardised(playlists["num_tracks"]), np.log(playlists["num_edits"]) - 2
    return 1 + draw.poisson(np.exp(-0.5 + 1.5 * edits * np.sign(length) + 0.5 * length))


def found_or_not(playlists: pd.DataFrame, draw: np.random.Generator) -> np.ndarray:
    """Half are never found, whatever they are like; how many follow the others hangs on what these are like."""
    likeness = sum(standardised(playlists[name]) for name in ("num_tracks", "title_length", "genre_number"))
    is_found = draw.random(len(playlists)) < 0.5
    return np.where(is_found, 1 + np.ceil(np.exp(4 + likeness + draw.normal(0, 0.1, len(playlists)))), 1)


@pytest.mark.parametrize(
    ("challenger", "other", "count", "followers"),
    [
        ("poisson_boosting", "two_part", 3_000, counts_of_one_rate),
        ("two_part", "poisson_boosting", 4_000, found_or_not),
    ],
)
def test_each_challenger_beats_both_others_where_followers_come_about_as_it_assumes(
    challenger: str,
    other: str,
    count: int,
    followers: Callable[[pd.DataFrame, np.random.Generator], np.ndarray],
    skewed: Callable[[int, int], pd.DataFrame],
) -> None:
    playlists = skewed(count, 4)
    playlists = playlists.assign(num_followers=followers(playlists, np.random.default_rng(104)).astype("float64"))
    trained = playlist_popularity.train(playlists, other)
    assert trained.champion == challenger
    # Differences spread no more than both together, so that this is more than what a champion has to show.
    values = measured(trained)
    gain, spread = (
        values["specified_forest", "rmse", "log1p", split] + sign * values[challenger, "rmse", "log1p", split]
        for split, sign in (("repeated_mean", -1), ("repeated_sd", 1))
    )
    assert gain > 2.776 * spread


def test_with_shuffled_followers_every_score_falls_to_the_baseline_and_the_champion_stays(nothing):
    values = measured(nothing)
    assert nothing.champion == "poisson_boosting"
    for candidate in playlist_popularity.CANDIDATES:
        for scale in ("raw", "log1p"):
            assert values[candidate, "r2", scale, "repeated_mean"] < 0.01
        # Over 40 shuffles it is 0.00 to 0.01 in the mean with a standard deviation of 0.023, and the area 0.013.
        assert values[candidate, "spearman", None, "repeated_mean"] == pytest.approx(0, abs=0.08)
        for least in (2, 10):
            tolerance = 3 * values[candidate, f"roc_auc_at_least_{least}", None, "repeated_sd"] / np.sqrt(5) + 0.02
            auc = values[candidate, f"roc_auc_at_least_{least}", None, "repeated_mean"]
            assert auc == pytest.approx(0.5, abs=tolerance)
            precision = values[candidate, f"average_precision_at_least_{least}", None, "repeated_mean"]
            chance = values["constant_one", f"average_precision_at_least_{least}", None, "repeated_mean"]
            assert precision == pytest.approx(chance, abs=0.05)
    assert nothing.importances["permutation"].abs().max() < 0.01


def test_the_specified_forest_is_measured_as_before_whoever_serves(effect, found):
    model = playlist_popularity.fit(effect)
    predicted = playlist_popularity.predict(model, effect)["predicted_followers"]
    expected = evaluation.popularity_metrics(effect["num_followers"], predicted, model.train_pids, model.test_pids)
    assert [metric for metric in found.metrics if metric.candidate is None] == expected
    assert found.importances["impurity"].equals(playlist_popularity.importances(model))


@pytest.mark.parametrize("result", ["found", "nothing"])
def test_intervals_hold_what_they_say_on_playlists_never_seen_and_confidence_is_calibrated(result, request):
    trained = request.getfixturevalue(result)
    values = measured(trained)
    # Of 800 playlists: three standard errors.
    assert values[trained.champion, "interval_coverage", None, "test"] >= 0.8 - 0.042
    assert values[trained.champion, "confidence_observed", None, "test"] == pytest.approx(
        values[trained.champion, "confidence_predicted", None, "test"], abs=0.05
    )
    assert values[trained.champion, "confidence_error", None, "test"] < 0.08


def test_intervals_are_narrower_than_the_best_constant_one_where_there_is_something_to_know(found):
    values = measured(found)
    width = values[found.champion, "interval_width", "raw", "test"]
    assert width < values["constant_interval", "interval_width", "raw", "test"]


def test_predictions_are_scores_and_say_which_playlists_were_held_out(effect, found):
    predictions = found.predictions
    assert predictions.drop(columns="is_held_out").equals(playlist_popularity.score(found.model, effect))
    _, test = train_test_split(effect, test_size=0.2, random_state=42)
    assert set(predictions.index[predictions["is_held_out"]]) == set(test.index)
    assert (predictions["predicted_followers"] >= 1).all()
    assert (predictions["interval_low"] >= 1).all()
    assert (predictions["interval_low"] <= predictions["interval_high"]).all()
    assert predictions["confidence_score"].between(0, 1).all()
    assert predictions.dtypes.astype("str").to_dict() == {
        "predicted_followers": "float64",
        "interval_low": "int64",
        "interval_high": "int64",
        "confidence_score": "float64",
        "is_held_out": "bool",
    }


def test_the_champion_never_saw_what_it_is_measured_on(effect, found):
    held_out = found.predictions["is_held_out"]
    other = effect.copy()
    other.loc[held_out, "num_followers"] = 1.0
    again = playlist_popularity.train(other, None)
    assert again.predictions.equals(found.predictions)


def test_one_row_is_scored_as_in_the_whole(effect, found):
    whole = playlist_popularity.score(found.model, effect)
    for place in (0, 17, 3_999):
        assert playlist_popularity.score(found.model, effect.iloc[[place]]).equals(whole.iloc[[place]])
    assert playlist_popularity.score(found.model, effect.head(0)).equals(whole.head(0))


def test_a_genre_that_the_model_has_not_seen_is_scored(effect, found):
    unseen = playlist_popularity.score(found.model, effect.head(1).assign(genre_number=99.0))
    assert np.isfinite(unseen.to_numpy()).all()


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_data_gives_the_same_results_whatever_the_number_of_threads(effect, found, threads):
    with threadpool_limits(limits=threads):
        again = playlist_popularity.train(effect, None)
    assert again.metrics == found.metrics
    assert again.predictions.equals(found.predictions)
    assert all(again.importances[method].equals(found.importances[method]) for method in found.importances)


def test_everything_is_the_same_after_a_model_was_stored(effect, found):
    stored = skops.io.dumps(found.model)
    model = skops.io.loads(stored, trusted=skops.io.get_untrusted_types(data=stored))
    assert playlist_popularity.score(model, effect).equals(playlist_popularity.score(found.model, effect))


def test_few_playlists_are_served_by_the_specified_forest_with_the_widest_interval(effect):
    trained = playlist_popularity.train(effect.head(10), "two_part")
    assert trained.champion == "specified_forest"
    assert set(trained.importances["permutation"].index) == set(ORDER)
    seen = effect.head(10)[~trained.predictions["is_held_out"]]["num_followers"]
    assert (trained.predictions["interval_high"] == seen.max()).all()
    with pytest.raises(NotEnoughData, match="there are 9;"):
        playlist_popularity.train(effect.head(9), None)


def test_followers_that_are_all_alike_are_no_contest(effect):
    trained = playlist_popularity.train(effect.head(500).assign(num_followers=1.0), "two_part")
    assert trained.champion == "specified_forest"
    assert (trained.predictions[["predicted_followers", "interval_low", "interval_high"]] == 1).all(axis=None)
    assert np.isfinite([metric.value for metric in trained.metrics]).all()


def test_a_comparison_stops_at_the_stated_number_of_playlists(effect, monkeypatch):
    monkeypatch.setattr(playlist_popularity, "MOST_COMPARED", 600)
    trained = playlist_popularity.train(effect.head(1_000), None)
    assert len(trained.model["calibration"]["actual"]) == 600
