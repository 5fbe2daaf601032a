"""Group artists by how playlists use them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from python_ml.errors import NotEnoughData

MODEL = "artist_trends"
FEATURES = ("playlist_appearances", "avg_followers", "track_count", "followers_per_playlist", "tracks_per_playlist")
N_CLUSTERS = 5
SEED = 42


@dataclass(frozen=True)
class TrendsModel:
    """A fitted scaler and the clusters of what it scaled, shape (artists, features)."""

    scaler: Any
    kmeans: Any
    scaled: npt.NDArray[np.float64]


def estimator() -> Any:
    """Return the unfitted scikit-learn KMeans: 5 clusters, the best of 10 seeded starts."""
    return KMeans(n_clusters=N_CLUSTERS, n_init=10, random_state=SEED)


def fit(features: pd.DataFrame) -> TrendsModel:
    """Standardise the features and find the clusters.

    Args:
        features: Columns `FEATURES`, indexed and ordered by artist_uri: the order decides which centres are tried.

    Raises:
        NotEnoughData: fewer artists differ from each other than there are clusters.
    """
    ordered = features[list(FEATURES)]
    distinct = len(ordered.drop_duplicates())
    if distinct < N_CLUSTERS:
        raise NotEnoughData(
            f"{MODEL} needs at least {N_CLUSTERS} artists with different features for its {N_CLUSTERS} clusters, and "
            f"there are {distinct} among {len(ordered)} artists; load more slices with `mixhouse load`"
        )
    scaler = StandardScaler().fit(ordered)
    scaled = np.asarray(scaler.transform(ordered), dtype=np.float64)
    # Threads add up distances in any order, and the last digits with them.
    with threadpool_limits(limits=1):
        kmeans = estimator().fit(scaled)
    return TrendsModel(scaler, kmeans, scaled)


def assign(model: TrendsModel, artists: pd.Index) -> pd.DataFrame:
    """Say which cluster each fitted artist is in, and how typical of it.

    Args:
        model: As `fit` returns it.
        artists: The index of the features it was fitted on.

    Returns:
        Indexed by `artists`: `cluster_id` (0 to 4, as KMeans numbers them) and `similarity_score`, the share of the
        other members of the cluster that lie strictly farther from its centre; 1 for a single member.
    """
    labels = np.asarray(model.kmeans.labels_)
    # Row by row, not by a matrix product, so that equal artists are at exactly equal distances.
    distances = np.square(model.scaled - model.kmeans.cluster_centers_[labels]).sum(axis=1)
    return pd.DataFrame({"cluster_id": labels, "similarity_score": _similarity(labels, distances)}, index=artists)


def _similarity(labels: npt.NDArray[np.int32], distances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    scores = np.ones(len(labels))
    for cluster in np.unique(labels):
        members = labels == cluster
        others = int(members.sum()) - 1
        if others:
            nearest_first = np.sort(distances[members])
            farther = len(nearest_first) - np.searchsorted(nearest_first, distances[members], side="right")
            scores[members] = farther / others
    return scores
