"""Models of followers that compete with the specified forest, made for counts of which most are 1 and a few are huge.

Both answer on the log scale: the mean of log1p of followers, turned back into followers. A mean of followers hangs on
the few largest playlists: boosting with Poisson loss on followers themselves is worse than a constant, even counted in
followers, and was left out. Trees are small and stop growing by themselves, because there is little to find.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

# Numbers that name something: their order means nothing.
CATEGORIES = ("genre_number",)
# With fewer playlists of a kind there is nothing to fit and to stop by.
MIN_OF_A_KIND = 100
_LEAST = float(np.log1p(1))

Floats = npt.NDArray[np.float64]
Estimators = dict[str, Any]


@dataclass(frozen=True)
class Candidate:
    """One way to predict followers.

    Attributes:
        features: The columns that it reads, in the order it was fitted on.
        is_possible: Whether it can be fitted on such followers.
        fit: Fits it on features and followers; returns scikit-learn estimators by role.
        predict: Predicts followers, at least 1, with such estimators.
        params: What it is made of, for the record of the run.
    """

    features: tuple[str, ...]
    is_possible: Callable[[Floats], bool]
    fit: Callable[[pd.DataFrame, Floats, int], Estimators]
    predict: Callable[[Mapping[str, Any], pd.DataFrame], Floats]
    params: Callable[[], dict[str, Any]]


def poisson_boosting(features: tuple[str, ...]) -> Candidate:
    """Return gradient boosting with Poisson loss on log1p of followers beyond one follower.

    That target is 0 for most, never negative, and spreads the more the higher it is, as counts do: the loss weighs
    playlists accordingly, and the logarithmic link keeps answers at one follower or more.
    """
    return Candidate(features, _some_have_two, _fit_poisson, _predict_poisson, lambda: _record(_poisson(0)))


def two_part(features: tuple[str, ...]) -> Candidate:
    """Return the two-part model: the chance of at least two followers, and the size where there are at least two.

    What gets a playlist its first follower beside its creator need not be what gets it many.
    """
    return Candidate(
        features, _both_kinds, _fit_two_part, _predict_two_part, lambda: _record(_chance(0)) | _record(_size(0))
    )


def _some_have_two(followers: Floats) -> bool:
    return int((followers >= 2).sum()) >= MIN_OF_A_KIND


def _both_kinds(followers: Floats) -> bool:
    return _some_have_two(followers) and int((followers < 2).sum()) >= MIN_OF_A_KIND


def _fit_poisson(features: pd.DataFrame, followers: Floats, seed: int) -> Estimators:
    return {"excess": _poisson(seed).fit(features, np.log1p(followers) - _LEAST)}


def _predict_poisson(estimators: Mapping[str, Any], features: pd.DataFrame) -> Floats:
    return _followers(_LEAST + estimators["excess"].predict(features))


def _fit_two_part(features: pd.DataFrame, followers: Floats, seed: int) -> Estimators:
    several = followers >= 2
    return {
        "chance": _chance(seed).fit(features, several),
        "size": _size(seed).fit(features[several], np.log1p(followers[several])),
    }


def _predict_two_part(estimators: Mapping[str, Any], features: pd.DataFrame) -> Floats:
    chance = estimators["chance"].predict_proba(features)[:, 1]
    return _followers((1 - chance) * _LEAST + chance * estimators["size"].predict(features))


def _followers(log1p: Floats) -> Floats:
    return np.maximum(1.0, np.expm1(log1p))


def _poisson(seed: int) -> Any:
    return HistGradientBoostingRegressor(loss="poisson", **_boosting(seed))


def _chance(seed: int) -> Any:
    return HistGradientBoostingClassifier(**_boosting(seed))


def _size(seed: int) -> Any:
    return HistGradientBoostingRegressor(**_boosting(seed))


def _boosting(seed: int) -> dict[str, Any]:
    return {
        "learning_rate": 0.05,
        "max_iter": 500,
        "max_leaf_nodes": 6,
        "min_samples_leaf": 50,
        "categorical_features": list(CATEGORIES),
        "early_stopping": True,
        "random_state": seed,
    }


def _record(estimator: Any) -> dict[str, Any]:
    return {type(estimator).__name__: estimator.get_params()}
