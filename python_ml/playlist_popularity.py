"""Predict how many followers a playlist has from what it is made of."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import train_test_split

from python_ml.errors import NotEnoughData

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
TARGET = "num_followers"
TEST_SIZE = 0.2
SEED = 42
MIN_PLAYLISTS = 10


@dataclass(frozen=True)
class PopularityModel:
    """A fitted forest, and which playlists it has seen, in the order of the split."""

    forest: Any
    train_pids: pd.Index
    test_pids: pd.Index


def estimator() -> Any:
    """Return the unfitted scikit-learn forest: 100 trees, at most 10 deep, seeded."""
    return RandomForestRegressor(n_estimators=100, max_depth=10, random_state=SEED, n_jobs=-1)


def fit(features: pd.DataFrame) -> PopularityModel:
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
    forest = estimator().fit(train[list(FEATURES)], train[TARGET])
    # Threads add up the trees in any order, and the last digits with them.
    forest.set_params(n_jobs=1)
    return PopularityModel(forest, train.index, test.index)


def predict(model: PopularityModel, features: pd.DataFrame) -> pd.DataFrame:
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


def importances(model: PopularityModel) -> pd.Series:
    """Return how much each feature lowers the squared error in the trees: shares of 1 by feature, or all 0."""
    return pd.Series(model.forest.feature_importances_, index=list(FEATURES), name="importance")
