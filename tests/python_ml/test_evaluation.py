import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, mean_absolute_error, mean_squared_error, r2_score, silhouette_score
from sklearn.preprocessing import StandardScaler

from python_ml import artist_trends, evaluation


def values(metrics: list[evaluation.Metric]) -> dict[tuple[str, str | None, str | None], float]:
    return {metric[1:4]: metric.value for metric in metrics}


ACTUAL = pd.Series([1.0, 1, 2, 4, 1, 7], index=range(10, 16))
PREDICTED = pd.Series([1.0, 2, 2, 3, 3, 5], index=range(10, 16))
TRAIN, TEST = pd.Index([13, 10, 12, 11]), pd.Index([15, 14])


def test_popularity_metrics_are_those_worked_out_by_hand():
    measured = values(evaluation.popularity_metrics(ACTUAL, PREDICTED, TRAIN, TEST))
    # Test: 7 predicted as 5, and 1 as 3. Train: 4 as 3, and 1 as 2; mean 2, median 1.5.
    assert measured["rmse", "raw", "test"] == 2
    assert measured["mae", "raw", "test"] == 2
    assert measured["r2", "raw", "test"] == pytest.approx(1 - 8 / 18)
    assert measured["rmse", "raw", "train"] == pytest.approx(np.sqrt(2 / 4))
    assert measured["mae", "raw", "baseline_mean"] == 3
    assert measured["rmse", "raw", "baseline_mean"] == pytest.approx(np.sqrt((25 + 1) / 2))
    assert measured["rmse", "raw", "baseline_median"] == pytest.approx(np.sqrt((5.5**2 + 0.5**2) / 2))
    assert measured["rmse", "raw", "baseline_one"] == pytest.approx(np.sqrt(36 / 2))
    assert measured["mae", "log1p", "test"] == pytest.approx((np.log(8 / 6) + np.log(4 / 2)) / 2)
    mean = np.log(5 * 2 * 3 * 2) / 4
    assert measured["mae", "log1p", "baseline_mean"] == pytest.approx((np.log(8) - mean + mean - np.log(2)) / 2)
    assert measured["mae", "log1p", "baseline_one"] == pytest.approx((np.log(8) - np.log(2)) / 2)


@pytest.mark.parametrize("scale", ["raw", "log1p"])
def test_no_constant_beats_the_mean_baseline_on_what_it_was_fitted_on(scale):
    measured = values(evaluation.popularity_metrics(ACTUAL, PREDICTED, TEST, TEST))
    constants = [measured["rmse", scale, f"baseline_{name}"] for name in ("mean", "median", "one")]
    assert constants[0] == min(constants)
    assert measured["r2", scale, "baseline_mean"] == pytest.approx(0, abs=1e-12)


def test_a_constant_target_is_measured_without_a_warning():
    ones = pd.Series(1.0, index=ACTUAL.index)
    measured = values(evaluation.popularity_metrics(ones, ones, TRAIN, TEST))
    assert measured["rmse", "log1p", "test"] == 0
    assert measured["r2", "raw", "test"] == 1
    assert np.isfinite(list(measured.values())).all()


def test_each_scale_has_every_metric_for_every_split_once():
    metrics = evaluation.popularity_metrics(ACTUAL, PREDICTED, TRAIN, TEST)
    assert len(metrics) == len(values(metrics)) == 2 * 3 * 5


def test_cluster_metrics_agree_with_scikit_learn(artists):
    model = artist_trends.fit(artists)
    measured = values(evaluation.cluster_metrics(model.scaled, model.kmeans))
    scaled = StandardScaler().fit_transform(artists[list(artist_trends.FEATURES)])
    assert measured["silhouette", None, None] == pytest.approx(
        silhouette_score(scaled, model.kmeans.labels_), abs=1e-12
    )
    centres = model.kmeans.cluster_centers_[model.kmeans.labels_]
    assert measured["inertia", None, None] == pytest.approx(((scaled - centres) ** 2).sum(), rel=1e-12)


def test_the_silhouette_of_many_artists_is_that_of_the_seeded_sample(artists, monkeypatch):
    monkeypatch.setattr(evaluation, "SILHOUETTE_SAMPLE", 40)
    model = artist_trends.fit(artists)
    measured = values(evaluation.cluster_metrics(model.scaled, model.kmeans))["silhouette", None, None]
    sampled = silhouette_score(model.scaled, model.kmeans.labels_, sample_size=40, random_state=42)
    assert measured == pytest.approx(sampled, abs=1e-12)
    assert measured != pytest.approx(silhouette_score(model.scaled, model.kmeans.labels_), abs=1e-6)


def test_planted_groups_are_stable_and_noise_is_not(artists):
    planted = artist_trends.fit(artists)
    assert evaluation.stability(planted.scaled, planted.kmeans) == 1
    noise = pd.DataFrame(np.random.default_rng(5).random((150, 5)), columns=list(artist_trends.FEATURES))
    formless = artist_trends.fit(noise)
    assert evaluation.stability(formless.scaled, formless.kmeans) < 0.8


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
    assert evaluation.stability(noise, kmeans) == pytest.approx(sum(agreements) / 5, abs=1e-12)


def test_five_artists_have_no_silhouette_and_are_measured_all_the_same(artists):
    model = artist_trends.fit(artists.drop_duplicates("planted"))
    measured = values(evaluation.cluster_metrics(model.scaled, model.kmeans))
    assert measured == {("inertia", None, None): pytest.approx(0), ("stability", None, None): 1}


def test_a_subsample_with_too_few_different_artists_is_measured_without_a_warning(artists):
    few = artists.drop_duplicates("planted")
    mostly_one = pd.concat([few, *(few.head(1).set_axis([f"copy {number}"]) for number in range(40))])
    model = artist_trends.fit(mostly_one)
    assert -1 <= evaluation.stability(model.scaled, model.kmeans) <= 1


def test_rmse_and_mae_are_in_the_units_of_scikit_learn(playlists):
    actual = playlists["num_followers"]
    predicted = actual * 1.1 + 1
    measured = values(evaluation.popularity_metrics(actual, predicted, actual.index[:200], actual.index[200:]))
    truth, answer = np.log1p(actual.iloc[200:]), np.log1p(predicted.iloc[200:])
    assert measured["rmse", "log1p", "test"] == pytest.approx(np.sqrt(mean_squared_error(truth, answer)), rel=1e-12)
    assert measured["mae", "log1p", "test"] == pytest.approx(mean_absolute_error(truth, answer), rel=1e-12)
    assert measured["r2", "log1p", "test"] == pytest.approx(r2_score(truth, answer), rel=1e-12)
