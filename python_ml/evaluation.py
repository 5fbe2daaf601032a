"""Measure predictions of followers: each number here can be recomputed with scikit-learn from the feature views."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import (
    average_precision_score,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from python_ml.intervals import Intervals

THRESHOLDS = (2, 10)
TENTHS = 10
# Student's t with four degrees of freedom, 97.5 %: what chance alone reaches once in forty comparisons.
SPLITS = 5
_NOISE_FACTOR = 2.776

Floats = npt.NDArray[np.float64]
Scale = Literal["raw", "log1p"]
# By metric and scale.
Measures = dict[tuple[str, Scale | None], float]


class Metric(NamedTuple):
    """One measured number.

    Attributes:
        candidate: Which of the competing models; None is the model that the run is of, as specified.
        metric: What was measured.
        scale: That of the target; None where it makes no difference.
        split: The rows it was measured on.
        value: The number.
    """

    candidate: str | None
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
        train, test = _on_scale(_values(actual[train_pids]), scale), _on_scale(_values(actual[test_pids]), scale)
        answers = {
            "test": (test, _on_scale(_values(predicted[test_pids]), scale)),
            "train": (train, _on_scale(_values(predicted[train_pids]), scale)),
            "baseline_mean": (test, np.full_like(test, train.mean())),
            "baseline_median": (test, np.full_like(test, np.median(train))),
            "baseline_one": (test, np.full_like(test, _on_scale(np.ones(1), scale)[0])),
        }
        for split, (truth, answer) in answers.items():
            metrics.append(Metric(None, "rmse", scale, split, float(root_mean_squared_error(truth, answer))))
            metrics.append(Metric(None, "mae", scale, split, float(mean_absolute_error(truth, answer))))
            metrics.append(Metric(None, "r2", scale, split, float(r2_score(truth, answer))))
    return metrics


def held_out_measures(actual: Floats, predicted: Floats, predicted_log1p: Floats | None = None) -> Measures:
    """Measure predictions of followers that were not fitted on them.

    Args:
        actual: Followers, shape (playlists,).
        predicted: Predicted followers, at least 0.
        predicted_log1p: What is answered on the log1p scale, where that is not the same prediction transformed.

    Returns:
        By metric and scale: `rmse`, `mae` and `r2` on both scales; without a scale `within_factor_two` (share of
        playlists with followers from half to twice the prediction), `spearman`, and `roc_auc_at_least_<n>` and
        `average_precision_at_least_<n>` of ranking those with at least 2 and 10 followers first. What is undefined is
        left out: r2 of a single playlist, a rank correlation with a constant, a ranking of playlists of one kind.
    """
    answers: dict[Scale, Floats] = {
        "raw": predicted,
        "log1p": np.log1p(predicted) if predicted_log1p is None else predicted_log1p,
    }
    measures: Measures = {}
    for scale, answer in answers.items():
        truth = _on_scale(actual, scale)
        measures["rmse", scale] = float(root_mean_squared_error(truth, answer))
        measures["mae", scale] = float(mean_absolute_error(truth, answer))
        if len(truth) > 1:
            measures["r2", scale] = float(r2_score(truth, answer))
    measures["within_factor_two", None] = float(within_factor_two(actual, predicted).mean())
    if np.ptp(actual) > 0 and np.ptp(predicted) > 0:
        measures["spearman", None] = _rank_correlation(actual, predicted)
    for least in THRESHOLDS:
        has = actual >= least
        if has.any() and not has.all():
            measures[f"roc_auc_at_least_{least}", None] = float(roc_auc_score(has, predicted))
            measures[f"average_precision_at_least_{least}", None] = float(average_precision_score(has, predicted))
    return measures


def constant_measures(train: Floats, test: Floats) -> dict[str, Measures]:
    """Measure the constants that a model must beat, each chosen on the training part, anew on each scale.

    Args:
        train: Followers that the constants are chosen on.
        test: Followers that they are measured on.

    Returns:
        Measures as `held_out_measures` gives them of `constant_one`, `constant_mean` and `constant_median`.
    """
    log1p = np.log1p(train)
    constants = {
        "constant_one": (1.0, float(np.log1p(1.0))),
        "constant_mean": (float(train.mean()), float(log1p.mean())),
        "constant_median": (float(np.median(train)), float(np.median(log1p))),
    }
    return {
        name: held_out_measures(test, np.full_like(test, raw), np.full_like(test, on_log1p))
        for name, (raw, on_log1p) in constants.items()
    }


def repeated_metrics(candidate: str, splits: Sequence[Measures]) -> list[Metric]:
    """Return mean and standard deviation over the splits of every measure that all of them have."""
    metrics = []
    for measure in splits[0]:
        if all(measure in split for split in splits):
            values = np.array([split[measure] for split in splits])
            metrics.append(Metric(candidate, *measure, "repeated_mean", float(values.mean())))
            metrics.append(Metric(candidate, *measure, "repeated_sd", float(values.std(ddof=1))))
    return metrics


def champion(incumbent: str, errors: Mapping[str, Sequence[float]], test_size: float) -> str:
    """Choose which candidate is to serve.

    The challenger with the least mean error takes over only if it is better than the incumbent by more than the noise:
    if the mean of the differences, split by split, exceeds 2.776 times its standard error (t-test at 97.5 % over five
    splits). That error is the corrected one of Nadeau and Bengio (2003): the splits share training rows, and so agree
    more than independent ones would.

    Args:
        incumbent: The candidate that serves, one of `errors`.
        errors: Held-out errors of each candidate on the same `SPLITS` splits.
        test_size: Share of the rows that each split holds out.

    Returns:
        Name of the candidate that is to serve from now on.
    """
    best = min(errors, key=lambda name: (float(np.mean(errors[name])), name != incumbent))
    gains = np.array(errors[incumbent]) - np.array(errors[best])
    return best if gains.mean() > noise(gains, test_size) else incumbent


def noise(differences: Floats, test_size: float) -> float:
    """Return what the mean of paired differences must exceed to be more than chance; see `champion`.

    Args:
        differences: Of the errors of two models, one a split; shape (`SPLITS`,).
        test_size: Share of the rows that each split holds out.
    """
    if len(differences) != SPLITS:
        raise ValueError(f"the noise is known for {SPLITS} splits, and there are {len(differences)}")
    return float(_NOISE_FACTOR * np.sqrt((1 / SPLITS + test_size / (1 - test_size)) * differences.var(ddof=1)))


def interval_metrics(candidate: str, actual: Floats, interval: Intervals, predicted: Floats) -> list[Metric]:
    """Measure prediction intervals on playlists that they were not calibrated on.

    Returns:
        Of split `test`: `interval_coverage`, share of playlists with followers within the interval; `interval_width`,
        mean of high minus low in followers; `interval_coverage_one_less`, the coverage if each interval ended one
        follower earlier where it can. Followers are counts: what coverage exceeds the stated one is forced where that
        last falls short of it. And `interval_coverage` and `interval_width` of splits `test_tenth_1` to
        `test_tenth_10`, tenths of the playlists in ascending order of prediction; fewer than ten playlists have none.
    """
    low, high = interval
    covered = (low <= actual) & (actual <= high)
    shorter = np.maximum(low, high - 1)
    metrics = [
        Metric(candidate, "interval_coverage", None, "test", float(covered.mean())),
        Metric(
            candidate, "interval_coverage_one_less", None, "test", float(((low <= actual) & (actual <= shorter)).mean())
        ),
        Metric(candidate, "interval_width", "raw", "test", float((high - low).mean())),
    ]
    for split, tenth in _tenths(predicted):
        metrics.append(Metric(candidate, "interval_coverage", None, split, float(covered[tenth].mean())))
        metrics.append(Metric(candidate, "interval_width", "raw", split, float((high - low)[tenth].mean())))
    return metrics


def level_metrics(candidate: str, actual: Floats, predicted: Floats) -> list[Metric]:
    """Compare what is predicted with what is there, by tenths of the playlists in ascending order of prediction.

    Returns:
        `followers_predicted` and `followers_observed`, means in followers, of splits `test_tenth_1` to
        `test_tenth_10`; fewer than ten playlists have none. A prediction is a mean, so the two should agree.
    """
    metrics = []
    for split, tenth in _tenths(predicted):
        metrics.append(Metric(candidate, "followers_predicted", "raw", split, float(predicted[tenth].mean())))
        metrics.append(Metric(candidate, "followers_observed", "raw", split, float(actual[tenth].mean())))
    return metrics


def confidence_metrics(candidate: str, happened: npt.NDArray[np.bool_], confidence: Floats) -> list[Metric]:
    """Compare confidence with what happened, by tenths of the playlists in ascending order of confidence.

    Returns:
        `confidence_predicted` (mean confidence) and `confidence_observed` (share where it happened) of splits
        `test_tenth_1` to `test_tenth_10` and of `test`, and of that `confidence_error`: the mean absolute difference of
        the two over the tenths. Fewer than ten playlists have no tenths.
    """
    metrics = [
        Metric(candidate, "confidence_predicted", None, "test", float(confidence.mean())),
        Metric(candidate, "confidence_observed", None, "test", float(happened.mean())),
    ]
    differences = []
    for split, tenth in _tenths(confidence):
        predicted, observed = float(confidence[tenth].mean()), float(happened[tenth].mean())
        metrics.append(Metric(candidate, "confidence_predicted", None, split, predicted))
        metrics.append(Metric(candidate, "confidence_observed", None, split, observed))
        differences.append(abs(predicted - observed))
    if differences:
        metrics.append(Metric(candidate, "confidence_error", None, "test", float(np.mean(differences))))
    return metrics


def within_factor_two(actual: Floats, predicted: Floats) -> npt.NDArray[np.bool_]:
    """Say of each playlist whether it has from half to twice the predicted followers."""
    return (predicted / 2 <= actual) & (actual <= 2 * predicted)


def _tenths(ranked_by: Floats) -> list[tuple[str, npt.NDArray[np.int64]]]:
    """Return split and rows of each tenth, ascending; none where there are fewer than ten rows."""
    if len(ranked_by) < TENTHS:
        return []
    tenths = np.array_split(np.argsort(ranked_by, kind="stable"), TENTHS)
    return [(f"test_tenth_{number}", rows) for number, rows in enumerate(tenths, start=1)]


def _rank_correlation(one: Floats, other: Floats) -> float:
    # Equal values share their mean rank. Summed here and not by a library that splits the sum among threads.
    first, second = (pd.Series(values).rank().to_numpy() for values in (one, other))
    first, second = first - first.mean(), second - second.mean()
    return float((first * second).sum() / np.sqrt((first**2).sum() * (second**2).sum()))


def _values(followers: pd.Series) -> Floats:
    return followers.to_numpy(dtype=np.float64)


def _on_scale(followers: Floats, scale: str) -> Floats:
    return np.log1p(followers) if scale == "log1p" else followers
