"""Measure the models: each number here can be recomputed with scikit-learn from the feature views."""

import warnings
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import (
    adjusted_rand_score,
    mean_absolute_error,
    r2_score,
    root_mean_squared_error,
    silhouette_score,
)
from threadpoolctl import threadpool_limits

SILHOUETTE_SAMPLE = 10_000
STABILITY_REPEATS = 5
STABILITY_SHARE = 0.8

Floats = npt.NDArray[np.float64]
Scale = Literal["raw", "log1p"]


class Metric(NamedTuple):
    """One measured number; `scale` is that of the target, `split` the rows it was measured on."""

    metric: str
    scale: Scale | None
    split: str | None
    value: float


def popularity_metrics(
    actual: pd.Series, predicted: pd.Series, train_pids: pd.Index, test_pids: pd.Index
) -> list[Metric]:
    """Measure predictions of followers, and the constant predictions they must beat.

    On the log1p scale the same predictions and the target are both transformed; nothing is fitted again. Baselines are
    constants chosen on the training part and scored on the test part, chosen anew on each scale: `baseline_mean` is the
    mean of the target on that scale, the constant with the least squared error there (on log1p it answers less than the
    mean of followers); `baseline_median` is the median on that scale; `baseline_one` always answers one follower.

    Args:
        actual: Followers, indexed by pid.
        predicted: Predicted followers, at least 0, indexed by pid.
        train_pids: The playlists that the model was fitted on.
        test_pids: The playlists that were held out.

    Returns:
        `rmse`, `mae` (in followers, or in log1p of followers) and `r2` for each scale and split.
    """
    metrics: list[Metric] = []
    for scale in ("raw", "log1p"):
        train, test = _on_scale(actual[train_pids], scale), _on_scale(actual[test_pids], scale)
        answers = {
            "test": (test, _on_scale(predicted[test_pids], scale)),
            "train": (train, _on_scale(predicted[train_pids], scale)),
            "baseline_mean": (test, np.full_like(test, train.mean())),
            "baseline_median": (test, np.full_like(test, np.median(train))),
            "baseline_one": (test, np.full_like(test, _on_scale(pd.Series([1.0]), scale)[0])),
        }
        for split, (truth, answer) in answers.items():
            metrics.append(Metric("rmse", scale, split, float(root_mean_squared_error(truth, answer))))
            metrics.append(Metric("mae", scale, split, float(mean_absolute_error(truth, answer))))
            metrics.append(Metric("r2", scale, split, float(r2_score(truth, answer))))
    return metrics


def cluster_metrics(scaled: Floats, kmeans: Any) -> list[Metric]:
    """Measure a clustering: how tight, how well separated, how much it depends on which artists were seen.

    Args:
        scaled: Standardised features, shape (artists, features), in the order the model was fitted on.
        kmeans: The fitted scikit-learn KMeans.

    Returns:
        `inertia` (sum of squared distances to the centres), `stability` (see `stability`), and `silhouette` (-1 to 1,
        on a seeded sample of at most `SILHOUETTE_SAMPLE` artists) unless it is undefined: it needs at least two
        clusters, and fewer clusters than artists.
    """
    with threadpool_limits(limits=1):
        metrics = [
            Metric("inertia", None, None, float(kmeans.inertia_)),
            Metric("stability", None, None, stability(scaled, kmeans)),
        ]
        separation = _silhouette(scaled, kmeans.labels_, kmeans.random_state)
    return metrics if separation is None else [*metrics, Metric("silhouette", None, None, separation)]


def stability(scaled: Floats, kmeans: Any) -> float:
    """Compare the clusters with those found when a fifth of the artists is left out.

    Returns:
        Mean adjusted Rand index (1: the same clusters; 0: no more alike than chance) between the model's labels and the
        labels that `STABILITY_REPEATS` models, each fitted on a seeded subsample, give to all artists.
    """
    draw = np.random.default_rng(kmeans.random_state)
    size = max(kmeans.n_clusters, round(STABILITY_SHARE * len(scaled)))
    agreements = []
    for repeat in range(STABILITY_REPEATS):
        subsample = scaled[draw.choice(len(scaled), size=size, replace=False)]
        other = clone(kmeans).set_params(random_state=kmeans.random_state + 1 + repeat)
        with warnings.catch_warnings():
            # A small subsample may hold fewer distinct artists than clusters: instability, and counted as such.
            warnings.simplefilter("ignore", ConvergenceWarning)
            other.fit(subsample)
        agreements.append(adjusted_rand_score(kmeans.labels_, other.predict(scaled)))
    return float(np.mean(agreements))


def _silhouette(scaled: Floats, labels: npt.NDArray[np.int32], seed: int) -> float | None:
    # The legacy generator draws the sample that `silhouette_score(sample_size=..., random_state=...)` would.
    sample = np.random.RandomState(seed).permutation(len(scaled))[:SILHOUETTE_SAMPLE]
    if not 2 <= len(np.unique(labels[sample])) < len(sample):
        return None
    return float(silhouette_score(scaled[sample], labels[sample]))


def _on_scale(followers: pd.Series, scale: str) -> Floats:
    values: Floats = followers.to_numpy(dtype=np.float64)
    return np.log1p(values) if scale == "log1p" else values
