import numpy as np
import pytest

from python_ml import intervals
from python_ml.errors import NotEnoughData


def skewed(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Predictions, and counts that depend on them: most are 1, a few are huge."""
    draw = np.random.default_rng(seed)
    predicted = 1 + draw.gamma(1.0, 0.4, count)
    several = draw.random(count) < np.minimum(0.95, 0.1 + 0.3 * (predicted - 1))
    return predicted, np.where(several, 1 + np.ceil(draw.pareto(1.2, count)), 1.0)


def spread(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Predictions, and counts so many and so different that hardly two are equal."""
    draw = np.random.default_rng(seed)
    predicted = np.exp(draw.normal(8, 1, count))
    return predicted, np.ceil(predicted * np.exp(draw.normal(0, 0.5, count)))


def coverage(calibration, predicted, actual) -> float:
    low, high = intervals.intervals(calibration, predicted)
    return float(((low <= actual) & (actual <= high)).mean())


@pytest.mark.parametrize("made", [skewed, spread])
def test_playlists_that_were_not_calibrated_on_lie_within_the_interval_as_often_as_stated(made):
    found = [coverage(intervals.calibrate(*made(8_000, seed)), *made(2_000, 100 + seed)) for seed in range(10)]
    assert np.mean(found) >= 0.795
    assert min(found) >= 0.77


def test_counts_that_hardly_repeat_are_not_covered_more_often_than_stated():
    calibration = intervals.calibrate(*spread(8_000, 1))
    assert coverage(calibration, *spread(20_000, 2)) == pytest.approx(0.8, abs=0.015)


def test_the_coverage_holds_where_popularity_is_predicted_too():
    calibration = intervals.calibrate(*skewed(8_000, 1))
    predicted, actual = skewed(20_000, 2)
    popular = predicted >= np.quantile(predicted, 0.9)
    assert coverage(calibration, predicted[popular], actual[popular]) >= 0.78


@pytest.mark.parametrize("made", [skewed, spread])
def test_intervals_that_follow_the_prediction_are_narrower_than_the_best_constant_one(made):
    predicted, actual = made(8_000, 1)
    new, _ = made(2_000, 2)
    low, high = intervals.intervals(intervals.calibrate(predicted, actual), new)
    constant = intervals.intervals(intervals.calibrate(np.ones(len(actual)), actual, most_groups=1), new)
    assert (high - low).mean() < (constant.high - constant.low).mean()


def test_a_prediction_that_says_nothing_gives_about_the_constant_interval():
    predicted, actual = np.random.default_rng(1).random(4_000), skewed(4_000, 1)[1]
    low, high = intervals.intervals(intervals.calibrate(predicted, actual), predicted)
    constant = intervals.intervals(intervals.calibrate(np.ones(4_000), actual, most_groups=1), np.ones(1))
    assert (high - low).mean() == pytest.approx(float(constant.high[0] - constant.low[0]), abs=0.35)


def test_the_constant_interval_is_the_shortest_with_enough_counts():
    actual = np.array([1.0] * 15 + [2] * 60 + [3] * 25 + [40] * 10)
    calibration = intervals.calibrate(np.ones(110), actual)
    # 89 of 110 are needed: 2 to 40 would be 95, 1 to 3 are 100, 1 to 2 are 75.
    assert (calibration["low"].tolist(), calibration["high"].tolist()) == ([1], [3])


def test_ranks_leave_at_least_the_coverage_between_them():
    for count in range(intervals.MIN_CALIBRATING, 600):
        for below in (0, 2, 10, 18):
            first, last = intervals._ranks(count, below, 80)
            assert (last - first) / (count + 1) >= 0.8 > (last - first - 1) / (count + 1)


def test_four_playlists_are_enough_for_the_widest_interval_and_three_are_refused():
    four = intervals.calibrate(np.arange(4.0), np.array([3.0, 9, 1, 2]))
    assert intervals.intervals(four, np.array([100.0])) == (1, 9)
    with pytest.raises(NotEnoughData, match=r"at least 4 playlists .* there are 3;"):
        intervals.calibrate(np.arange(3.0), np.ones(3))


def test_no_group_is_smaller_than_stated_and_equal_predictions_share_one():
    calibration = intervals.calibrate(np.repeat([1.0, 3.0], [900, 1_100]), np.ones(2_000))
    assert np.diff(calibration["starts"]).tolist() == [900, 1_100]
    assert calibration["edges"].tolist() == [3.0]
    assert np.diff(intervals.calibrate(np.arange(10_000.0), np.ones(10_000))["starts"]).min() == 250


def test_confidence_is_the_share_within_a_factor_of_two_of_those_with_about_the_same_prediction():
    predicted = np.concatenate([np.full(300, 1.5), np.full(300, 8.0)])
    actual = np.concatenate([np.repeat([1.0, 3, 4], 100), np.repeat([3.0, 4, 16], 100)])
    calibration = intervals.calibrate(predicted, actual)
    # 1 to 3 of 0.75..3, then 4 and 16 of 4..16; one more is counted on each side.
    assert intervals.confidence(calibration, np.array([1.5, 8.0])).tolist() == [201 / 302, 201 / 302]
    # Of the first group again, asked at 2.5: 3 and 4 of 1.25..5.
    assert intervals.confidence(calibration, np.array([1.4, 2.5])).tolist() == [101 / 302, 201 / 302]


def test_confidence_is_calibrated():
    calibration = intervals.calibrate(*skewed(8_000, 1))
    predicted, actual = skewed(20_000, 2)
    said = intervals.confidence(calibration, predicted)
    happened = (predicted / 2 <= actual) & (actual <= 2 * predicted)
    assert np.ptp(said) > 0.3
    for tenth in np.array_split(np.argsort(said, kind="stable"), 10):
        assert happened[tenth].mean() == pytest.approx(said[tenth].mean(), abs=0.05)


def unlike(count: int, seed: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Predictions, and counts that spread up to `most` for the tenth with the highest, while others hardly do."""
    draw = np.random.default_rng(seed)
    predicted = draw.random(count)
    usual = draw.choice([1.0, 2.0], count, p=[0.85, 0.15])
    return predicted, np.where(predicted > 0.9, draw.integers(1, most + 1, count), usual)


def test_where_covering_the_popular_makes_intervals_too_wide_others_make_up_for_them():
    # Eight in ten of 1 to 14 are 11 apart, and so 1.1 on the whole; the constant interval is 1 to 2.
    calibration = intervals.calibrate(*unlike(20_000, 1, most=14))
    predicted, actual = unlike(20_000, 2, most=14)
    low, high = intervals.intervals(calibration, predicted)
    popular = predicted > 0.91
    assert coverage(calibration, predicted, actual) >= 0.8
    assert 0.5 < coverage(calibration, predicted[popular], actual[popular]) < 0.77
    assert (high - low).mean() < 1


def test_no_group_is_given_up_for_the_others():
    # Half of 1 to 40 would still be wider than 1 to 2 for all.
    calibration = intervals.calibrate(*unlike(20_000, 1, most=40))
    predicted, actual = unlike(20_000, 2, most=40)
    popular = predicted > 0.91
    assert 0.78 < coverage(calibration, predicted[popular], actual[popular]) < 0.86
