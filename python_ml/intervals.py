"""Say how sure a prediction of followers is: by what became of playlists with about the same prediction.

Calibrating playlists, which the model that predicted them has not seen, are put in groups of neighbouring predictions.
A new playlist belongs to the group that its prediction falls into, and may be expected to fare as those in it did: most
of them have followers within the group's interval (split conformal, a calibration of its own for each group), and a
share of them has followers within a factor of two of the prediction (the confidence).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from python_ml.errors import NotEnoughData

COVERAGE_PCT = 80
# Below that many no finite interval has the coverage.
MIN_CALIBRATING = 4
# Enough for a quantile and a share that are worth their digits; more groups follow the prediction more closely.
MIN_IN_A_GROUP = 250
MOST_GROUPS = 100
# Which share of a group may lie below its interval, tried in turn; the rest of those missed lies above.
_BELOW_PCTS = range(0, 100 - COVERAGE_PCT + 1, 2)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Intervals(NamedTuple):
    """Followers from `low` to `high`, both included, at least 1."""

    low: Ints
    high: Ints


def calibrate(predicted: Floats, actual: Floats, most_groups: int = MOST_GROUPS) -> dict[str, Any]:
    """Learn from predictions that were not fitted on their playlists.

    Args:
        predicted: Predicted followers, shape (playlists,).
        actual: Their followers, at least 1.
        most_groups: 1 gives the best interval that is the same for all.

    Returns:
        `edges` (least prediction of each group but the first), `starts` (where each group starts in `actual`, and the
        end of the last), `actual` (followers, ascending within a group), `low` and `high` (interval of each group).

    Raises:
        NotEnoughData: there are fewer than `MIN_CALIBRATING` playlists.
    """
    if len(predicted) < MIN_CALIBRATING:
        raise NotEnoughData(
            f"an interval with a coverage of {COVERAGE_PCT} % needs at least {MIN_CALIBRATING} playlists to calibrate, "
            f"and there are {len(predicted)}; load more slices with `mixhouse load`"
        )
    order = np.argsort(predicted, kind="stable")
    ascending = predicted[order]
    starts = _group_starts(ascending, most_groups)
    groups = [np.sort(group) for group in np.split(actual[order].astype(np.int64), starts[1:])]
    low, high = _shortest(groups)
    return {
        "edges": ascending[starts[1:]],
        "starts": np.append(starts, len(predicted)),
        "actual": np.concatenate(groups),
        "low": low,
        "high": high,
    }


def intervals(calibration: Mapping[str, Any], predicted: Floats) -> Intervals:
    """Return the interval of each prediction: at least `COVERAGE_PCT` of such playlists have followers within it."""
    group = _group_of(calibration, predicted)
    return Intervals(calibration["low"][group], calibration["high"][group])


def confidence(calibration: Mapping[str, Any], predicted: Floats) -> Floats:
    """Return the chance that the actual followers lie within a factor of two of the prediction, 0 to 1.

    It is the share of the group with followers from half to twice the prediction, counted as if one more playlist were
    within and one more were not, so that no number of playlists makes certain.
    """
    group = _group_of(calibration, predicted)
    shares = np.empty(len(predicted))
    for number in np.unique(group):
        members = calibration["actual"][calibration["starts"][number] : calibration["starts"][number + 1]]
        asked = predicted[group == number]
        within = members.searchsorted(2 * asked, side="right") - members.searchsorted(asked / 2, side="left")
        shares[group == number] = (within + 1) / (len(members) + 2)
    return shares


def _group_of(calibration: Mapping[str, Any], predicted: Floats) -> Ints:
    return np.searchsorted(calibration["edges"], predicted, side="right").astype(np.int64)


def _group_starts(ascending: Floats, most_groups: int) -> Ints:
    """Cut into groups of about the same size; equal predictions stay together."""
    count = len(ascending)
    wanted = max(1, min(most_groups, count // MIN_IN_A_GROUP))
    cuts = ascending.searchsorted(ascending[np.arange(1, wanted) * count // wanted], side="left")
    starts = [0]
    for cut in cuts.tolist():
        if cut - starts[-1] >= MIN_IN_A_GROUP and count - cut >= MIN_IN_A_GROUP:
            starts.append(cut)
    return np.array(starts)


def _shortest(groups: list[Ints]) -> Intervals:
    """Return the interval of each group, at the share below that makes them shortest on the whole."""
    found = [_at(groups, below) for below in _BELOW_PCTS if _is_possible(groups, below)]
    sizes = np.array([len(group) for group in groups])
    return min(found, key=lambda interval: float(((interval.high - interval.low) * sizes).sum()))


def _is_possible(groups: list[Ints], below_pct: int) -> bool:
    return all(_ranks(len(group), below_pct)[1] <= len(group) for group in groups)


def _at(groups: list[Ints], below_pct: int) -> Intervals:
    ends = [(group, *_ranks(len(group), below_pct)) for group in groups]
    # Nobody has less than one follower.
    low = np.array([group[first - 1] if first else 1 for group, first, _ in ends])
    return Intervals(low, np.array([group[last - 1] for group, _, last in ends]))


def _ranks(count: int, below_pct: int) -> tuple[int, int]:
    """Ranks, from 1, between which a further member falls with at least the coverage; first 0 is no bound below.

    It falls into each of the `count + 1` gaps between the sorted members with the same chance.
    """
    first = below_pct * (count + 1) // 100
    return first, first - (-COVERAGE_PCT * (count + 1) // 100)
