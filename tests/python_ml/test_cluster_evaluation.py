import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import (
    adjusted_rand_score,
    davies_bouldin_score,
    silhouette_score,
)
from sklearn.preprocessing import StandardScaler

from python_ml import artist_trends, cluster_evaluation, evaluation


def values(metrics: list[evaluation.Metric]) -> dict[tuple[str, str | None, str | None], float]:
    return {metric[1:4]: metric.value for metric in metrics}


def quality(model: artist_trends.TrendsModel) -> cluster_evaluation.ClusterQuality:
    spaces = {"raw": model.scaled, "log1p": model.scaled * 2}
    return cluster_evaluation.cluster_quality(spaces, "raw", model.kmeans)


ACTUAL = pd.Series([1.0, 1, 2, 4, 1, 7], index=range(10, 16))
PREDICTED = pd.Series([1.0, 2, 2, 3, 3, 5], index=range(10, 16))
TRAIN, TEST = pd.Index([13, 10, 12, 11]), pd.Index([15, 14])


def test_cluster_metrics_agree_with_scikit_learn(artists):
    model = artist_trends.fit(artists)
    measured = values(cluster_evaluation.cluster_metrics(model.kmeans, quality(model)))
    scaled = StandardScaler().fit_transform(artists[list(artist_trends.FEATURES)])
    assert measured["silhouette", None, None] == pytest.approx(
        silhouette_score(scaled, model.kmeans.labels_), abs=1e-12
    )
    centres = model.kmeans.cluster_centers_[model.kmeans.labels_]
    assert measured["inertia", None, None] == pytest.approx(((scaled - centres) ** 2).sum(), rel=1e-12)


def test_the_silhouette_of_many_artists_is_that_of_the_seeded_sample(artists, monkeypatch):
    monkeypatch.setattr(cluster_evaluation, "SILHOUETTE_SAMPLE", 40)
    model = artist_trends.fit(artists)
    measured = values(cluster_evaluation.cluster_metrics(model.kmeans, quality(model)))["silhouette", None, None]
    sampled = silhouette_score(model.scaled, model.kmeans.labels_, sample_size=40, random_state=42)
    assert measured == pytest.approx(sampled, abs=1e-12)
    assert measured != pytest.approx(silhouette_score(model.scaled, model.kmeans.labels_), abs=1e-6)


def test_planted_groups_are_stable_and_noise_is_not(artists):
    planted = artist_trends.fit(artists)
    assert cluster_evaluation.stability(planted.scaled, planted.kmeans) == 1
    noise = pd.DataFrame(np.random.default_rng(5).random((150, 5)), columns=list(artist_trends.FEATURES))
    formless = artist_trends.fit(noise)
    assert cluster_evaluation.stability(formless.scaled, formless.kmeans) < 0.8


def test_stability_is_the_mean_agreement_with_five_models_fitted_on_four_fifths():
    noise = np.random.default_rng(5).random((100, 5))
    kmeans = KMeans(n_clusters=5, n_init=10, random_state=42).fit(noise)
    draw = np.random.default_rng(42)
    agreements = []
    for seed in (43, 44, 45, 46, 47):
        subsample = noise[draw.choice(100, size=80, replace=False)]
        other = KMeans(n_clusters=5, n_init=10, random_state=seed).fit(subsample)
        agreements.append(adjusted_rand_score(kmeans.labels_, other.predict(noise)))
    assert len(set(agreements)) == 5
    assert cluster_evaluation.stability(noise, kmeans) == pytest.approx(sum(agreements) / 5, abs=1e-12)


def test_five_artists_have_no_silhouette_and_are_measured_all_the_same(artists):
    model = artist_trends.fit(artists.drop_duplicates("planted"))
    measured = values(cluster_evaluation.cluster_metrics(model.kmeans, quality(model)))
    assert measured == {("inertia", None, None): pytest.approx(0), ("stability", None, None): 1}


def test_a_subsample_with_too_few_different_artists_is_measured_without_a_warning(artists):
    few = artists.drop_duplicates("planted")
    mostly_one = pd.concat([few, *(few.head(1).set_axis([f"copy {number}"]) for number in range(40))])
    model = artist_trends.fit(mostly_one)
    assert -1 <= cluster_evaluation.stability(model.scaled, model.kmeans) <= 1


def test_the_quality_of_a_clustering_is_what_scikit_learn_measures_on_each_scale(artists):
    values_of = artists[list(artist_trends.FEATURES)]
    spaces = {
        "raw": StandardScaler().fit_transform(values_of),
        "log1p": StandardScaler().fit_transform(np.log1p(values_of)),
    }
    kmeans = KMeans(n_clusters=3, n_init=10, random_state=42).fit(spaces["log1p"])
    measured = cluster_evaluation.cluster_quality(spaces, "log1p", kmeans)
    assert (measured.n_clusters, measured.largest_share) == (3, np.bincount(kmeans.labels_).max() / len(artists))
    assert measured.stability == cluster_evaluation.stability(spaces["log1p"], kmeans)
    for scale, scaled in spaces.items():
        assert measured.silhouette[scale] == pytest.approx(silhouette_score(scaled, kmeans.labels_), abs=1e-12)
        assert measured.davies_bouldin[scale] == pytest.approx(davies_bouldin_score(scaled, kmeans.labels_), abs=1e-12)
    assert measured.silhouette["raw"] != measured.silhouette["log1p"]


def test_every_measure_of_a_quality_becomes_a_metric_of_its_candidate():
    measured = cluster_evaluation.ClusterQuality(3, 0.5, 0.9, {"raw": 0.1, "log1p": 0.2}, {"raw": 1.5})
    assert measured.metrics("log_scaled") == [
        ("log_scaled", "n_clusters", None, None, 3.0),
        ("log_scaled", "largest_share", None, None, 0.5),
        ("log_scaled", "stability", None, None, 0.9),
        ("log_scaled", "silhouette", "raw", None, 0.1),
        ("log_scaled", "silhouette", "log1p", None, 0.2),
        ("log_scaled", "davies_bouldin", "raw", None, 1.5),
    ]
