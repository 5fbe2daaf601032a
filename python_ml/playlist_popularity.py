"""Predict how many followers a playlist has from what it is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import KFold, train_test_split
from threadpoolctl import ThreadpoolController

from python_ml import evaluation, intervals
from python_ml.errors import NotEnoughData
from python_ml.evaluation import Metric
from python_ml.popularity_candidates import Candidate, poisson_boosting, two_part

MODEL = "playlist_popularity"
FEATURES = (
    "num_tracks",
    "num_artists",
    "num_albums",
    "duration_ms",
    "collaborative",
    "tracks_per_artist",
    "avg_tracks_per_album",
    "avg_track_duration",
    "unique_artists",
)
ALL_FEATURES = (
    *FEATURES,
    "has_description",
    "num_edits",
    "modified_day",
    "title_words",
    "title_length",
    "genre_number",
    "repeated_share",
)
TARGET = "num_followers"
TEST_SIZE = 0.2
SEED = 42
MIN_PLAYLISTS = 10
SPECIFIED = "specified_forest"
# More playlists make the comparison longer, and the measured spread hardly smaller than it is.
MOST_COMPARED = 100_000
MOST_PERMUTED = 20_000
PERMUTATIONS = 5

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SpecifiedForest:
    """The fitted forest of the specification, and which playlists it has seen, in the order of the split."""

    forest: Any
    train_pids: pd.Index
    test_pids: pd.Index


@dataclass(frozen=True)
class Popularity:
    """What a training found.

    Attributes:
        champion: The candidate that is to serve, one of `CANDIDATES`.
        model: What `score` needs: only scikit-learn estimators, arrays, and plain values.
        predictions: As `score` gives them, of all playlists given, and `is_held_out`, whether the model was measured on
            the playlist and not fitted on it.
        metrics: Of candidate None, the forest as specified, on its test and training part; of each candidate and each
            constant, on the repeated splits; of the champion, and its intervals and confidence, on the test part.
        importances: By method and feature: `impurity`, of the forest as specified (see `importances`); `permutation`,
            of the champion (see `permutation_importances`).
    """

    champion: str
    model: dict[str, Any]
    predictions: pd.DataFrame
    metrics: list[Metric]
    importances: dict[str, pd.Series]


@dataclass(frozen=True)
class _Comparison:
    """Measures of each candidate and constant by split, and followers predicted for those held out, by candidate."""

    measures: dict[str, list[evaluation.Measures]]
    out_of_fold: dict[str, Floats]
    actual: Floats


def estimator() -> Any:
    """Return the unfitted scikit-learn forest: 100 trees, at most 10 deep, seeded."""
    return RandomForestRegressor(n_estimators=100, max_depth=10, random_state=SEED, n_jobs=-1)


def fit(features: pd.DataFrame) -> SpecifiedForest:
    """Fit the forest on four fifths of the playlists.

    Args:
        features: Columns `FEATURES` and `TARGET`, indexed and ordered by pid: the order decides the split.

    Raises:
        NotEnoughData: there are fewer than `MIN_PLAYLISTS` playlists.
    """
    if len(features) < MIN_PLAYLISTS:
        raise NotEnoughData(
            f"{MODEL} needs at least {MIN_PLAYLISTS} playlists to fit and to be measured, "
            f"and there are {len(features)}; load more slices with `mixhouse load`"
        )
    train, test = train_test_split(features, test_size=TEST_SIZE, random_state=SEED)
    return SpecifiedForest(_fit_on(SPECIFIED, train)["forest"], train.index, test.index)


def predict(model: SpecifiedForest, features: pd.DataFrame) -> pd.DataFrame:
    """Predict the followers of every playlist given.

    Args:
        model: As `fit` returns it.
        features: Columns `FEATURES` (others are ignored), indexed by pid.

    Returns:
        Indexed like `features`: `predicted_followers` (float64), and `is_held_out`, whether the model was measured on
        the playlist and not fitted on it.
    """
    return pd.DataFrame(
        {
            "predicted_followers": np.asarray(model.forest.predict(features[list(FEATURES)]), dtype=np.float64),
            "is_held_out": features.index.isin(model.test_pids),
        },
        index=features.index,
    )


def importances(model: SpecifiedForest) -> pd.Series:
    """Return how much each feature lowers the squared error in the trees: shares of 1 by feature, or all 0."""
    return pd.Series(model.forest.feature_importances_, index=list(FEATURES), name="importance")


def train(features: pd.DataFrame, serving: str | None) -> Popularity:
    """Fit the forest as specified, let the candidates compete with it, and make the champion ready to serve.

    The training part of the specified split decides everything: the candidates are compared within it, intervals and
    confidence are calibrated within it, and the champion is fitted on the whole of it. Its test part is looked at last,
    to measure.

    Args:
        features: Columns `ALL_FEATURES` and `TARGET`, float64, indexed and ordered by pid: the order decides the split.
        serving: The candidate that serves now; None, or one that cannot be fitted on this data, stands for the
            specified forest.

    Raises:
        NotEnoughData: there are fewer than `MIN_PLAYLISTS` playlists.
    """
    forest = fit(features)
    followers = features[TARGET].to_numpy(dtype=np.float64)
    comparison = _compare(features.loc[forest.train_pids])
    errors = {name: [split["rmse", "log1p"] for split in comparison.measures[name]] for name in comparison.out_of_fold}
    incumbent = serving if serving in errors else SPECIFIED
    champion = evaluation.champion(incumbent, errors, test_size=1 / evaluation.SPLITS)
    model = {
        "candidate": champion,
        "estimators": {"forest": forest.forest}
        if champion == SPECIFIED
        else _fit_on(champion, features.loc[forest.train_pids]),
        "calibration": intervals.calibrate(comparison.out_of_fold[champion], comparison.actual),
    }
    predictions = score(model, features).assign(is_held_out=features.index.isin(forest.test_pids))
    specified = predict(forest, features)["predicted_followers"]
    metrics = evaluation.popularity_metrics(features[TARGET], specified, forest.train_pids, forest.test_pids)
    for name, splits in comparison.measures.items():
        metrics += evaluation.repeated_metrics(name, splits)
    held_out = predictions["is_held_out"].to_numpy()
    constant = intervals.calibrate(np.ones(int((~held_out).sum())), followers[~held_out], most_groups=1)
    metrics += _test_metrics(champion, followers[held_out], predictions[held_out], constant)
    return Popularity(
        champion,
        model,
        predictions,
        metrics,
        {
            "impurity": importances(forest),
            "permutation": permutation_importances(model, features.loc[forest.test_pids]),
        },
    )


def score(model: Mapping[str, Any], features: pd.DataFrame) -> pd.DataFrame:
    """Predict the followers of playlists, and how sure that is.

    Args:
        model: That of a `Popularity`.
        features: Columns `ALL_FEATURES` (others are ignored), float64; any number of rows, each is scored by itself.

    Returns:
        Indexed like `features`: `predicted_followers` (float64, at least 1); `interval_low` and `interval_high` (int64,
        at least 1), between which, both included, the followers of at least 80 % of playlists lie (see `intervals` for
        when that holds for each prediction); `confidence_score` (float64, 0 to 1), the chance that the followers lie
        within a factor of two of the prediction. A prediction may lie outside its interval: one is a mean that few
        large playlists raise, the other holds what most have.
    """
    predicted = _predict(model, features)
    low, high = intervals.intervals(model["calibration"], predicted)
    return pd.DataFrame(
        {
            "predicted_followers": predicted,
            "interval_low": low,
            "interval_high": high,
            "confidence_score": intervals.confidence(model["calibration"], predicted),
        },
        index=features.index,
    )


def permutation_importances(model: Mapping[str, Any], held_out: pd.DataFrame) -> pd.Series:
    """Return how much worse a model gets when a feature is shuffled among playlists that it was not fitted on.

    Args:
        model: That of a `Popularity`.
        held_out: Columns `ALL_FEATURES` and `TARGET`; a seeded sample of at most `MOST_PERMUTED` is used.

    Returns:
        Mean rise of the RMSE on log1p of followers over `PERMUTATIONS` shuffles, by feature that the candidate reads;
        negative where shuffling helped by chance.
    """
    draw = np.random.default_rng(SEED)
    sample = held_out.iloc[np.sort(draw.permutation(len(held_out))[:MOST_PERMUTED])]
    followers = np.log1p(sample[TARGET].to_numpy(dtype=np.float64))

    def error(features: pd.DataFrame) -> float:
        return float(np.sqrt(np.mean((np.log1p(_predict(model, features)) - followers) ** 2)))

    whole = error(sample)
    rises = {
        feature: np.mean(
            [error(sample.assign(**{feature: draw.permutation(sample[feature])})) - whole for _ in range(PERMUTATIONS)]
        )
        for feature in CANDIDATES[model["candidate"]].features
    }
    return pd.Series(rises, name="importance", dtype="float64")


def params() -> dict[str, Any]:
    """Return what decides the results beside the data, for the record of the run."""
    return {
        "estimator": "RandomForestRegressor",
        "estimator_params": estimator().get_params(),
        "features": list(FEATURES),
        "target": TARGET,
        "test_size": TEST_SIZE,
        "split_seed": SEED,
        "candidates": {
            name: {"features": list(candidate.features), "estimators": candidate.params()}
            for name, candidate in CANDIDATES.items()
        },
        "compared_splits": evaluation.SPLITS,
        "compared_playlists": MOST_COMPARED,
        "interval_coverage_pct": intervals.COVERAGE_PCT,
        "interval_groups": intervals.MOST_GROUPS,
        "interval_group_size": intervals.MIN_IN_A_GROUP,
        "permuted_playlists": MOST_PERMUTED,
        "permutations": PERMUTATIONS,
    }


def _compare(features: pd.DataFrame) -> _Comparison:
    """Fit and measure every candidate on the same splits, each of which holds out another fifth."""
    rows = np.random.default_rng(SEED).permutation(len(features))[:MOST_COMPARED]
    sample = features.iloc[np.sort(rows)]
    followers = sample[TARGET].to_numpy(dtype=np.float64)
    splits = list(KFold(evaluation.SPLITS, shuffle=True, random_state=SEED).split(sample))
    names = [
        name
        for name, candidate in CANDIDATES.items()
        if all(candidate.is_possible(followers[train]) for train, _ in splits)
    ]
    out_of_fold = {name: np.empty(len(sample)) for name in names}
    measures: dict[str, list[evaluation.Measures]] = {}
    for train, test in splits:
        for name in names:
            model = {"candidate": name, "estimators": _fit_on(name, sample.iloc[train])}
            predicted = out_of_fold[name][test] = _predict(model, sample.iloc[test])
            measures.setdefault(name, []).append(evaluation.held_out_measures(followers[test], predicted))
        for name, measured in evaluation.constant_measures(followers[train], followers[test]).items():
            measures.setdefault(name, []).append(measured)
    return _Comparison(measures, out_of_fold, followers)


def _fit_on(name: str, features: pd.DataFrame) -> dict[str, Any]:
    candidate = CANDIDATES[name]
    with _threads().limit(limits=1, user_api="openmp"):
        return candidate.fit(features[list(candidate.features)], features[TARGET].to_numpy(dtype=np.float64), SEED)


def _predict(model: Mapping[str, Any], features: pd.DataFrame) -> Floats:
    candidate = CANDIDATES[model["candidate"]]
    if features.empty:
        return np.empty(0)
    with _threads().limit(limits=1, user_api="openmp"):
        return candidate.predict(model["estimators"], features[list(candidate.features)])


@cache
def _threads() -> ThreadpoolController:
    """Boosting is quick on one core, and its threads wait for each other where other work has the cores."""
    return ThreadpoolController()


def _test_metrics(
    champion: str, actual: Floats, predictions: pd.DataFrame, constant: Mapping[str, Any]
) -> list[Metric]:
    columns = {name: predictions[name].to_numpy() for name in predictions}
    predicted = columns["predicted_followers"]
    metrics = [
        Metric(champion, *measure, "test", value)
        for measure, value in evaluation.held_out_measures(actual, predicted).items()
    ]
    metrics += evaluation.interval_metrics(
        champion, actual, intervals.Intervals(columns["interval_low"], columns["interval_high"]), predicted
    )
    metrics += evaluation.interval_metrics(
        "constant_interval", actual, intervals.intervals(constant, np.ones(len(actual))), predicted
    )
    metrics += evaluation.level_metrics(champion, actual, predicted)
    within = evaluation.within_factor_two(actual, predicted)
    return metrics + evaluation.confidence_metrics(champion, within, columns["confidence_score"])


def _fit_specified(features: pd.DataFrame, followers: Floats, seed: int) -> dict[str, Any]:
    # Threads add up the trees in any order, and the last digits with them.
    return {"forest": estimator().set_params(random_state=seed).fit(features, followers).set_params(n_jobs=1)}


def _predict_specified(estimators: Mapping[str, Any], features: pd.DataFrame) -> Floats:
    return np.asarray(estimators["forest"].predict(features), dtype=np.float64)


CANDIDATES = {
    SPECIFIED: Candidate(
        FEATURES,
        lambda followers: len(followers) > 0,
        _fit_specified,
        _predict_specified,
        lambda: {"RandomForestRegressor": estimator().get_params()},
    ),
    "poisson_boosting": poisson_boosting(ALL_FEATURES),
    "two_part": two_part(ALL_FEATURES),
}
