import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from python_ml import evaluation
from python_ml.intervals import Intervals


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


def test_held_out_measures_are_those_worked_out_by_hand():
    actual, predicted = np.array([1.0, 1, 3, 12]), np.array([1.0, 2, 4, 3])
    measured = evaluation.held_out_measures(actual, predicted)
    assert measured["rmse", "raw"] == pytest.approx(np.sqrt((1 + 1 + 81) / 4))
    assert measured["mae", "log1p"] == pytest.approx((np.log(3 / 2) + np.log(5 / 4) + np.log(13 / 4)) / 4)
    assert measured["within_factor_two", None] == 3 / 4
    # Those with at least 2 come third and fourth of four predictions: every pair is in order.
    assert measured["roc_auc_at_least_2", None] == measured["average_precision_at_least_2", None] == 1
    # The one with at least 10 comes second, after one of three others.
    assert measured["roc_auc_at_least_10", None] == pytest.approx(2 / 3)
    assert measured["average_precision_at_least_10", None] == 1 / 2


def test_the_rank_correlation_is_that_of_scipy_with_ties():
    draw = np.random.default_rng(1)
    actual = np.ceil(draw.pareto(1.5, 500))
    predicted = np.round(actual + draw.normal(0, 3, 500), 0)
    measured = evaluation.held_out_measures(actual, np.maximum(predicted, 0))["spearman", None]
    assert measured == pytest.approx(spearmanr(actual, np.maximum(predicted, 0)).statistic, abs=1e-12)


def test_what_is_undefined_is_left_out_and_not_made_up():
    ranked = evaluation.held_out_measures(np.array([1.0, 2, 3]), np.array([1.0, 1, 2]))
    assert ("roc_auc_at_least_2", None) in ranked
    assert ("roc_auc_at_least_10", None) not in ranked
    constant = evaluation.held_out_measures(np.array([1.0, 2, 3]), np.ones(3))
    assert ("spearman", None) not in constant
    assert constant["roc_auc_at_least_2", None] == 1 / 2
    alike = evaluation.held_out_measures(np.ones(3), np.array([1.0, 2, 3]))
    assert {name for name, _ in alike} == {"rmse", "mae", "r2", "within_factor_two"}
    assert np.isfinite([*ranked.values(), *constant.values(), *alike.values()]).all()


def test_constants_are_chosen_on_the_training_part_anew_on_each_scale():
    train, test = np.array([1.0, 1, 4]), np.array([1.0, 3])
    measured = evaluation.constant_measures(train, test)
    assert measured["constant_one"]["mae", "raw"] == 1
    assert measured["constant_mean"]["mae", "raw"] == 1
    assert measured["constant_median"]["mae", "log1p"] == pytest.approx(np.log(4 / 2) / 2)
    mean = np.log(2 * 2 * 5) / 3
    assert measured["constant_mean"]["mae", "log1p"] == pytest.approx((mean - np.log(2) + np.log(4) - mean) / 2)


def test_repeated_metrics_are_mean_and_spread_of_what_every_split_has():
    splits = [{("rmse", "raw"): 1.0, ("spearman", None): 0.5}, {("rmse", "raw"): 3.0}]
    assert evaluation.repeated_metrics("some", splits) == [
        ("some", "rmse", "raw", "repeated_mean", 2.0),
        ("some", "rmse", "raw", "repeated_sd", pytest.approx(np.sqrt(2))),
    ]


def challenged(*gains: float) -> str:
    incumbent = [0.40, 0.35, 0.45, 0.41, 0.38]
    errors = {"incumbent": incumbent, "challenger": [old - gain for old, gain in zip(incumbent, gains, strict=True)]}
    return evaluation.champion("incumbent", errors, test_size=0.2)


def test_a_challenger_takes_over_only_if_it_is_better_by_more_than_the_noise():
    # Mean 0.002; standard deviation 0.001 or 0.0011; with its corrected standard error of 0.67 times that, t is 2.98
    # or 2.71, and 2.776 is needed.
    shape = np.array([-1, -1, 0, 1, 1])
    assert challenged(*(0.002 + 0.001 * shape)) == "challenger"
    assert challenged(*(0.002 + 0.0011 * shape)) == "incumbent"


def test_the_incumbent_serves_on_where_the_challenger_is_worse_or_the_same():
    assert challenged(-0.1, -0.1, -0.1, -0.1, -0.1) == "incumbent"
    assert challenged(0, 0, 0, 0, 0) == "incumbent"
    # Far better on a single split, a little worse on all others.
    assert challenged(0.3, -0.001, -0.001, -0.001, -0.001) == "incumbent"


def test_the_best_of_several_challengers_takes_over_and_none_without_a_rival():
    errors = {"incumbent": [0.5] * 5, "good": [0.45] * 5, "best": [0.4] * 5}
    assert evaluation.champion("incumbent", errors, test_size=0.2) == "best"
    assert evaluation.champion("incumbent", {"incumbent": [0.5] * 5}, test_size=0.2) == "incumbent"


def test_a_comparison_over_other_splits_than_the_noise_is_known_for_is_refused():
    with pytest.raises(ValueError, match="5 splits, and there are 2"):
        evaluation.champion("one", {"one": [1.0, 2.0]}, test_size=0.2)


def test_interval_metrics_count_both_ends_and_what_one_follower_less_would_cover():
    actual = np.array([1.0, 2, 3, 9])
    interval = Intervals(np.array([1, 1, 2, 4]), np.array([1, 2, 5, 8]))
    assert evaluation.interval_metrics("some", actual, interval, np.ones(4)) == [
        ("some", "interval_coverage", None, "test", 3 / 4),
        ("some", "interval_coverage_one_less", None, "test", 2 / 4),
        ("some", "interval_width", "raw", "test", (0 + 1 + 3 + 4) / 4),
    ]


def test_coverage_is_shown_by_tenths_of_the_prediction():
    predicted = np.repeat(np.arange(10, 0, -1), 2).astype("float64")
    actual = np.where(predicted > 9, 5.0, 1.0)
    interval = Intervals(np.ones(20, dtype="int64"), np.full(20, 2))
    found = values(evaluation.interval_metrics("some", actual, interval, predicted))
    tenths = [found["interval_coverage", None, f"test_tenth_{number}"] for number in range(1, 11)]
    assert tenths == [1] * 9 + [0]


def test_width_and_level_are_shown_by_tenths_of_the_prediction():
    predicted = np.repeat(np.arange(10, 0, -1), 2).astype("float64")
    actual = predicted + np.tile([0, 1], 10)
    interval = Intervals(np.ones(20, dtype="int64"), 1 + predicted.astype("int64"))
    widths = values(evaluation.interval_metrics("some", actual, interval, predicted))
    levels = values(evaluation.level_metrics("some", actual, predicted))
    for number in range(1, 11):
        split = f"test_tenth_{number}"
        assert widths["interval_width", "raw", split] == number
        assert levels["followers_predicted", "raw", split] == number
        assert levels["followers_observed", "raw", split] == number + 0.5
    assert evaluation.level_metrics("some", actual[:9], predicted[:9]) == []


def test_confidence_is_compared_with_what_happened_by_tenths():
    confidence = np.repeat(np.arange(10, 0, -1) / 10, 10)
    happened = np.tile(np.arange(10) < 3, 10)
    measured = values(evaluation.confidence_metrics("some", happened, confidence))
    assert len(measured) == 23
    assert measured["confidence_predicted", None, "test"] == pytest.approx(0.55)
    assert measured["confidence_predicted", None, "test_tenth_1"] == pytest.approx(0.1)
    assert measured["confidence_observed", None, "test_tenth_1"] == pytest.approx(0.3)
    assert measured["confidence_error", None, "test"] == pytest.approx((0.2 + 0.1 + sum(range(8)) / 10) / 10)
    few = values(evaluation.confidence_metrics("some", happened[:9], confidence[:9]))
    assert list(few) == [("confidence_predicted", None, "test"), ("confidence_observed", None, "test")]


def test_rmse_and_mae_are_in_the_units_of_scikit_learn(playlists):
    actual = playlists["num_followers"]
    predicted = actual * 1.1 + 1
    measured = values(evaluation.popularity_metrics(actual, predicted, actual.index[:200], actual.index[200:]))
    truth, answer = np.log1p(actual.iloc[200:]), np.log1p(predicted.iloc[200:])
    assert measured["rmse", "log1p", "test"] == pytest.approx(np.sqrt(mean_squared_error(truth, answer)), rel=1e-12)
    assert measured["mae", "log1p", "test"] == pytest.approx(mean_absolute_error(truth, answer), rel=1e-12)
    assert measured["r2", "log1p", "test"] == pytest.approx(r2_score(truth, answer), rel=1e-12)
