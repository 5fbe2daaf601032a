"""Group artists by how playlists use them."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from python_ml.cluster_evaluation import ClusterQuality, cluster_metrics, cluster_quality
from python_ml.errors import NotEnoughData
from python_ml.evaluation import Metric, Scale

MODEL = "artist_trends"
FEATURES = ("playlist_appearances", "avg_followers", "track_count", "followers_per_playlist", "tracks_per_playlist")
N_CLUSTERS = 5
SEED = 42

SPECIFIED, LOG_SCALED = "specified", "log_scaled"
# The scale that the features of each candidate are on.
CANDIDATES: dict[str, Scale] = {SPECIFIED: "raw", LOG_SCALED: "log1p"}

# Two clusters only say large or small; the rules that name clusters know six kinds.
CLUSTER_CHOICES = range(3, 7)
# Five times what the silhouettes of two samples of 10,000 artists differ by.
CLEAR_SILHOUETTE_GAIN = 0.05
# Resampling then moves few artists from one cluster to another; 0.8 is what is commonly asked of a stable clustering.
MIN_STABILITY = 0.8
MOST_IN_ONE_CLUSTER = 0.5

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TrendsModel:
    """A fitted scaler and the clusters of what it scaled, shape (artists, features)."""

    candidate: str
    scaler: Any
    kmeans: Any
    scaled: Floats


@dataclass(frozen=True)
class Trends:
    """What one training found.

    Attributes:
        champion: The candidate that is to serve.
        model: All that `assign` needs: NumPy arrays and plain Python values, no estimator.
        clusters: What `assign` says of the artists that it was trained on.
        metrics: What was measured, of each candidate, and of the specified one also without a candidate.
    """

    champion: str
    model: dict[str, Any]
    clusters: pd.DataFrame
    metrics: list[Metric]


def train(features: pd.DataFrame, previous: pd.Series | None) -> Trends:
    """Cluster the artists as each candidate does, measure both, and choose the one that serves (see `serving`).

    Args:
        features: Columns `FEATURES`, indexed and ordered by artist_uri: the order decides which centres are tried.
        previous: `cluster_id` by artist_uri of the run that serves now, so that clusters keep their number (see
            `stable_ids`) and change theirs only for a reason (see `choose_clusters`); None at first.

    Raises:
        NotEnoughData: fewer artists differ from each other than the specification has clusters.
    """
    specified = fit(features)
    choices = [number for number in CLUSTER_CHOICES if number <= _distinct(features)]
    fitted = {number: fit_log_scaled(features, number) for number in choices}
    spaces: dict[Scale, Floats] = {"raw": specified.scaled, "log1p": fitted[choices[0]].scaled}
    tried = {number: cluster_quality(spaces, "log1p", model.kmeans) for number, model in fitted.items()}
    chosen = choose_clusters(tried, N_CLUSTERS if previous is None else previous.nunique())
    qualities = {SPECIFIED: cluster_quality(spaces, "raw", specified.kmeans), LOG_SCALED: tried[chosen]}
    champion = serving(qualities[SPECIFIED], qualities[LOG_SCALED])
    model = _assignable(specified if champion == SPECIFIED else fitted[chosen], features.index, previous)
    metrics = cluster_metrics(specified.kmeans, qualities[SPECIFIED])
    for candidate, quality in qualities.items():
        metrics += quality.metrics(candidate)
    return Trends(champion, model, assign(model, features), metrics)


def serving(specified: ClusterQuality, log_scaled: ClusterQuality) -> str:
    """Decide which candidate serves: the specified one, unless it hardly tells artists apart and the other does better.

    Counts of playlists and followers have heavy tails: a few artists have a thousand times the average. Standardised as
    they are, nearly all artists lie in one heap, and most clusters go to the few far from it: on real playlists 87 %
    of the artists are said to be alike, which helps nobody to tell them apart. Silhouette and stability are high for
    that very reason, so neither may decide alone. On a log scale multiples count: ten playlists differ from one as a
    thousand do from a hundred.

    So `log_scaled` serves if all of this holds, else `specified`:

    - more than half of the artists (`MOST_IN_ONE_CLUSTER`) are in the largest cluster of `specified`;
    - fewer of them are in that of `log_scaled`;
    - its clusters are found again in resamples, with a stability of `MIN_STABILITY` or that of `specified` if it is
      lower; one heap and a few outliers are easier to find again than clusters that split the heap, so it need not be
      as stable;
    - on log1p its silhouette is the higher one: who loses at home found no clusters.
    """
    spreads = log_scaled.largest_share < specified.largest_share and specified.largest_share > MOST_IN_ONE_CLUSTER
    is_stable = log_scaled.stability >= min(MIN_STABILITY, specified.stability)
    is_separated = _log_silhouette(log_scaled) > _log_silhouette(specified)
    return LOG_SCALED if spreads and is_stable and is_separated else SPECIFIED


def apartness(silhouette: float) -> str:
    """Say how far apart clusters are, by the customary reading of a silhouette (Kaufman and Rousseeuw, 1990)."""
    return "clearly" if silhouette > 0.5 else "somewhat" if silhouette > 0.25 else "barely"


def estimator(n_clusters: int = N_CLUSTERS) -> Any:
    """Return the unfitted scikit-learn KMeans: 5 clusters if not told otherwise, the best of 10 seeded starts."""
    return KMeans(n_clusters=n_clusters, n_init=10, random_state=SEED)


def fit(features: pd.DataFrame) -> TrendsModel:
    """Standardise the features and find 5 clusters, as the specification says.

    Args:
        features: As of `train`.

    Raises:
        NotEnoughData: fewer artists differ from each other than there are clusters.
    """
    distinct = _distinct(features)
    if distinct < N_CLUSTERS:
        raise NotEnoughData(
            f"{MODEL} needs at least {N_CLUSTERS} artists with different features for its {N_CLUSTERS} clusters, and "
            f"there are {distinct} among {len(features)} artists; load more slices with `mixhouse load`"
        )
    scaler, scaled = _standardised(SPECIFIED, features)
    return TrendsModel(SPECIFIED, scaler, _clustered(scaled, N_CLUSTERS), scaled)


def fit_log_scaled(features: pd.DataFrame, n_clusters: int) -> TrendsModel:
    """Standardise log1p of the features and find as many clusters.

    Args:
        features: As of `train`; at least `n_clusters` artists differ from each other.
        n_clusters: How many clusters.
    """
    scaler, scaled = _standardised(LOG_SCALED, features)
    return TrendsModel(LOG_SCALED, scaler, _clustered(scaled, n_clusters), scaled)


def choose_clusters(tried: Mapping[int, ClusterQuality], before: int) -> int:
    """Choose the number of clusters.

    Asked for are a stability of `MIN_STABILITY` (or the highest there is), and among those that have it, no cluster
    with more than half of the artists (`MOST_IN_ONE_CLUSTER`), if possible. The best of what is left has the highest
    silhouette on log1p. The number from before stays unless the best one's silhouette is higher by more than
    `CLEAR_SILHOUETTE_GAIN`: other clusters every week for nothing are no use to a reader. At first that number is five,
    as many as the specification has.

    Args:
        tried: What was measured, by number of clusters.
        before: The number of clusters until now.
    """
    needed = min(MIN_STABILITY, max(quality.stability for quality in tried.values()))
    stable = {number: quality for number, quality in tried.items() if quality.stability >= needed}
    spread = {number: quality for number, quality in stable.items() if quality.largest_share <= MOST_IN_ONE_CLUSTER}
    separations = {number: _log_silhouette(quality) for number, quality in (spread or stable).items()}
    best = max(separations, key=lambda number: (separations[number], -number))
    is_kept = before in separations and separations[best] - separations[before] <= CLEAR_SILHOUETTE_GAIN
    return before if is_kept else best


def stable_ids(clusters: pd.Series, previous: pd.Series | None) -> dict[int, int]:
    """Number clusters so that as many artists as possible keep their number.

    Args:
        clusters: Number of the cluster by artist_uri, as k-means numbered them.
        previous: `cluster_id` by artist_uri before; None or without a common artist, k-means' own order decides.

    Returns:
        The id by number. A cluster that shares an artist with the one it is matched to takes over its id; each other
        one gets the smallest number that is free.
    """
    ids: dict[int, int] = {}
    if previous is not None:
        common = clusters.index.intersection(previous.index)
        overlap = pd.crosstab(clusters[common].to_numpy(), previous[common].to_numpy())
        ids = {
            int(overlap.index[row]): int(overlap.columns[column])
            for row, column in zip(*linear_sum_assignment(overlap, maximize=True), strict=True)
            if overlap.iat[row, column]
        }
    taken = set(ids.values())
    free = (number for number in count() if number not in taken)
    return ids | {int(number): next(free) for number in np.unique(clusters) if number not in ids}


def assign(model: Mapping[str, Any], features: pd.DataFrame) -> pd.DataFrame:
    """Say which cluster each artist is in, and how typical of it; also of artists that the model has not seen.

    Args:
        model: `Trends.model`.
        features: Columns `FEATURES`, indexed by artist_uri. What is said of a row does not depend on the others.

    Returns:
        Indexed like `features`: `cluster_id`, and `similarity_score`, the share of the other members of the cluster
        that lie strictly farther from its centre; 1 for a single member. Members are the artists that the model was
        trained on. The share is exact, for the model holds the distance of each of them. An artist that is exactly as
        far as one of them counts as that member, so equal artists are equally similar; any other one is compared with
        all members.
    """
    # As StandardScaler does it, which refuses to transform nothing.
    scaled = (_on_scale(model["candidate"], features) - model["mean"]) / model["deviation"]
    numbers, distances = _nearest(scaled, model["centres"])
    similarity = np.empty(len(features))
    for number, members in enumerate(model["member_distances"]):
        here = numbers == number
        similarity[here] = _share_farther(members, distances[here])
    ids = np.asarray(model["cluster_ids"], dtype=np.int64)
    return pd.DataFrame({"cluster_id": ids[numbers], "similarity_score": similarity}, index=features.index)


def _assignable(fitted: TrendsModel, artists: pd.Index, previous: pd.Series | None) -> dict[str, Any]:
    # Artists that differ in a last digit may be equal once they are scaled, and then a centre may be left without one.
    centres = fitted.kmeans.cluster_centers_[np.unique(_nearest(fitted.scaled, fitted.kmeans.cluster_centers_)[0])]
    numbers, distances = _nearest(fitted.scaled, centres)
    ids = stable_ids(pd.Series(numbers, index=artists), previous)
    return {
        "candidate": fitted.candidate,
        "mean": fitted.scaler.mean_,
        "deviation": fitted.scaler.scale_,
        "centres": centres,
        "cluster_ids": [ids[number] for number in range(len(centres))],
        "member_distances": [np.sort(distances[numbers == number]) for number in range(len(centres))],
    }


def _distinct(features: pd.DataFrame) -> int:
    return len(features[list(FEATURES)].drop_duplicates())


def _log_silhouette(quality: ClusterQuality) -> float:
    # Undefined when artists are as many as clusters: as bad as can be.
    return quality.silhouette.get("log1p", -1.0)


def _on_scale(candidate: str, features: pd.DataFrame) -> Floats:
    values = features[list(FEATURES)].to_numpy(dtype=np.float64)
    return np.log1p(values) if CANDIDATES[candidate] == "log1p" else values


def _standardised(candidate: str, features: pd.DataFrame) -> tuple[Any, Floats]:
    values = _on_scale(candidate, features)
    scaler = StandardScaler().fit(values)
    return scaler, np.asarray(scaler.transform(values), dtype=np.float64)


def _clustered(scaled: Floats, n_clusters: int) -> Any:
    # Threads add up distances in any order, and the last digits with them.
    with threadpool_limits(limits=1):
        return estimator(n_clusters).fit(scaled)


def _nearest(scaled: Floats, centres: Floats) -> tuple[npt.NDArray[np.intp], Floats]:
    # Feature by feature, for a matrix product or a sum over rows adds in an order that depends on how many rows there
    # are: equal artists are at exactly equal distances, whoever is asked for along with them.
    features = range(len(FEATURES))
    distances = np.stack([sum(np.square(scaled[:, i] - centre[i]) for i in features) for centre in centres], axis=1)
    numbers = distances.argmin(axis=1)
    return numbers, distances[np.arange(len(scaled)), numbers]


def _share_farther(members: Floats, distances: Floats) -> Floats:
    farther = len(members) - np.searchsorted(members, distances, side="right")
    is_member = np.searchsorted(members, distances, side="left") + farther < len(members)
    others = len(members) - is_member
    shares: Floats = np.divide(farther, others, out=np.ones(len(distances)), where=others > 0)
    return shares
