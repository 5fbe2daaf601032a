"""Say how sure a prediction of followers is: by what became of playlists with about the same prediction.

Calibrating playlists, which the model that predicted them has not seen, are put in groups of neighbouring predictions.
A new playlist belongs to the group that its prediction falls into, and may be expected to fare as those in it did: most
of them have followers within the group's interval (split conformal, a calibration of its own for each group), and a
share of them has followers within a factor of two of the prediction (the confidence).

Every group is covered as often as stated where that makes intervals no wider, on the whole, than one interval that is
the same for all. Where popular playlists differ too much for that, groups may be covered less often, though not less
than half, if others make up for it: the coverage then holds over all playlists and not for each prediction, as that of
the constant interval does. Where not even that is narrower, every group is covered as often as stated, at its width.
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
# Groups are covered less often than stated only if that makes intervals narrower than the constant one by this much;
# one that varies by less has hardly more to say.
_WORTH = 0.95
_LEAST_PCT = 50
# What is chosen from many fits those it was chosen on a little better than others.
_CHOICE_PCT = 1
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
    low, high = _even_or_narrower(groups)
    return {
        "edges": ascending[starts[1:]],
        "starts": np.append(starts, len(predicted)),
        "actual": np.concatenate(groups),
        "low": low,
        "high": high,
    }


def intervals(calibration: Mapping[str, Any], predicted: Floats) -> Intervals:
    """Return the interval of each prediction: at least `COVERAGE_PCT` of playlists have followers within theirs."""
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


def _even_or_narrower(groups: list[Ints]) -> Intervals:
    """Cover each group as stated, or as nearly so as makes the intervals no wider than the constant one."""
    below, even = _shortest(groups)
    sizes = _sizes(groups)
    _, constant = _shortest([np.sort(np.concatenate(groups))])
    widest = float((constant.high - constant.low).sum() * sizes.sum())
    if _width(even, sizes) <= widest:
        return even
    for least_pct in range(COVERAGE_PCT - 5, _LEAST_PCT - 1, -5):
        uneven = _uneven(groups, below, least_pct)
        if _width(uneven, sizes) <= _WORTH * widest:
            return uneven
    return even


def _shortest(groups: list[Ints]) -> tuple[int, Intervals]:
    """Cover each group as stated, with the share below that makes the intervals shortest on the whole; return both."""
    found = [(below, _at(groups, below, COVERAGE_PCT)) for below in _BELOW_PCTS if _is_possible(groups, below)]
    sizes = _sizes(groups)
    return min(found, key=lambda shaped: _width(shaped[1], sizes))


def _uneven(groups: list[Ints], below_pct: int, least_pct: int) -> Intervals:
    """Cover each group at `least_pct` or more so that all together are covered as stated, in the least width.

    A group is covered further as long as the width that costs is worth it, and the price of a playlist is raised until
    enough of them are covered.
    """
    sizes = _sizes(groups)
    rungs = [_at(groups, below_pct, pct) for pct in range(least_pct, 100)]
    width = np.array([(rung.high - rung.low) * sizes for rung in rungs])
    covered = np.array([_covered(groups, rung) for rung in rungs])
    needed = -(-(COVERAGE_PCT + _CHOICE_PCT) * (sizes.sum() + 1) // 100)
    every = np.arange(len(groups))
    best = np.full(len(groups), len(rungs) - 1)
    for price in np.geomspace(1e-3, 1e6, 400):
        choice = np.argmin(width - price * covered, axis=0)
        if covered[choice, every].sum() >= needed:
            best = choice
            break
    low, high = (np.array(ends)[best, every] for ends in zip(*rungs, strict=True))
    return Intervals(low, high)


def _sizes(groups: list[Ints]) -> Ints:
    return np.array([len(group) for group in groups])


def _width(interval: Intervals, sizes: Ints) -> float:
    return float(((interval.high - interval.low) * sizes).sum())


def _covered(groups: list[Ints], interval: Intervals) -> list[int]:
    return [
        int(group.searchsorted(high, side="right") - group.searchsorted(low, side="left"))
        for group, low, high in zip(groups, *interval, strict=True)
    ]


def _is_possible(groups: list[Ints], below_pct: int) -> bool:
    return all(_ranks(len(group), below_pct, COVERAGE_PCT)[1] <= len(group) for group in groups)


def _at(groups: list[Ints], below_pct: int, pct: int) -> Intervals:
    ends = [(group, *_ranks(len(group), below_pct, pct)) for group in groups]
    # Nobody has less than one follower.
    low = np.array([group[first - 1] if first else 1 for group, first, _ in ends])
    return Intervals(low, np.array([group[min(last, len(group)) - 1] for group, _, last in ends]))


def _ranks(count: int, below_pct: int, pct: int) -> tuple[int, int]:
    """Ranks, from 1, between which a further member falls with a chance of at least `pct`; first 0 is no bound below.

    It falls into each of the `count + 1` gaps between the sorted members with the same chance.
    """
    first = below_pct * (count + 1) // 100
    return first, first - (-pct * (count + 1) // 100)
