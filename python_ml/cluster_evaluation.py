"""Measure clusterings: each number here can be recomputed with scikit-learn from the feature views."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, davies_bouldin_score, silhouette_score
from threadpoolctl import threadpool_limits

from python_ml.evaluation import Metric, Scale

SILHOUETTE_SAMPLE = 10_000
STABILITY_REPEATS = 5
STABILITY_SHARE = 0.8
_SILHOUETTE_MEGABYTES = 64

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int32]


@dataclass(frozen=True)
class ClusterQuality:
    """What speaks for a clustering, and against it.

    Attributes:
        n_clusters: How many clusters it has.
        largest_share: Share of the artists that are in the largest one, 0 to 1.
        stability: See `stability`.
        silhouette: See `silhouette`, by scale; a scale is left out if it is undefined.
        davies_bouldin: How wide clusters are beside the distance from the one they resemble most, averaged, 0 (best)
            and up, by scale; a scale is left out if it is undefined.
    """

    n_clusters: int
    largest_share: float
    stability: float
    silhouette: Mapping[Scale, float]
    davies_bouldin: Mapping[Scale, float]

    def metrics(self, candidate: str) -> list[Metric]:
        """Return all of it as metrics of a candidate."""
        by_scale = {"silhouette": self.silhouette, "davies_bouldin": self.davies_bouldin}
        return [
            Metric(candidate, "n_clusters", None, None, float(self.n_clusters)),
            Metric(candidate, "largest_share", None, None, self.largest_share),
            Metric(candidate, "stability", None, None, self.stability),
            *(
                Metric(candidate, metric, scale, None, value)
                for metric, values in by_scale.items()
                for scale, value in values.items()
            ),
        ]


def cluster_quality(spaces: Mapping[Scale, Floats], found_on: Scale, kmeans: Any) -> ClusterQuality:
    """Measure a clustering on every scale, so that it can be compared with one that was found on another.

    A clustering looks best on the scale that it was found on: two of them are compared on one scale, or by what needs
    none (stability, and how artists spread over the clusters).

    Args:
        spaces: By scale, standardised features, shape (artists, features), in the order the model was fitted on.
        found_on: The scale that the model was fitted on.
        kmeans: The fitted scikit-learn KMeans.
    """
    labels = np.asarray(kmeans.labels_)
    sizes = np.unique(labels, return_counts=True)[1]
    separations = {scale: silhouette(scaled, labels, kmeans.random_state) for scale, scaled in spaces.items()}
    widths: dict[Scale, float] = {}
    if 2 <= len(sizes) < len(labels):
        with threadpool_limits(limits=1):
            widths = {scale: float(davies_bouldin_score(scaled, labels)) for scale, scaled in spaces.items()}
    return ClusterQuality(
        n_clusters=len(sizes),
        largest_share=float(sizes.max() / sizes.sum()),
        stability=stability(spaces[found_on], kmeans),
        silhouette={scale: value for scale, value in separations.items() if value is not None},
        davies_bouldin=widths,
    )


def cluster_metrics(kmeans: Any, quality: ClusterQuality) -> list[Metric]:
    """Return the measures of the clustering that the specification names, each on the scale that it was found on.

    Args:
        kmeans: The fitted scikit-learn KMeans.
        quality: As `cluster_quality` measured it.

    Returns:
        `inertia` (sum of squared distances to the centres), `stability`, and `silhouette` unless it is undefined.
    """
    return [
        Metric(None, "inertia", None, None, float(kmeans.inertia_)),
        Metric(None, "stability", None, None, quality.stability),
        *(
            Metric(None, "silhouette", None, None, value)
            for scale, value in quality.silhouette.items()
            if scale == "raw"
        ),
    ]


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
        with warnings.catch_warnings(), threadpool_limits(limits=1):
            # A small subsample may hold fewer distinct artists than clusters: instability, and counted as such.
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = other.fit(subsample).predict(scaled)
        agreements.append(adjusted_rand_score(kmeans.labels_, found))
    return float(np.mean(agreements))


def silhouette(scaled: Floats, labels: Labels, seed: int) -> float | None:
    """Measure how much closer artists are to their own cluster than to the next one.

    Args:
        scaled: Standardised features, shape (artists, features).
        labels: The cluster of each artist.
        seed: Draws the sample.

    Returns:
        -1 to 1 (best), on a sample of at most `SILHOUETTE_SAMPLE` artists; None if it is undefined: it needs at least
        two clusters, and fewer clusters than artists.
    """
    # The legacy generator draws the sample that `silhouette_score(sample_size=..., random_state=...)` would.
    sample = np.random.RandomState(seed).permutation(len(scaled))[:SILHOUETTE_SAMPLE]
    if not 2 <= len(np.unique(labels[sample])) < len(sample):
        return None
    # By default all distances of the sample are held at once: 800 MB, and no faster.
    with config_context(working_memory=_SILHOUETTE_MEGABYTES), threadpool_limits(limits=1):
        return float(silhouette_score(scaled[sample], labels[sample]))
