"""Measure the machine learning step: reading features, fitting, publishing, scoring what is new, and its memory.

    make bench-ml                                            100,000 and 1,000,000 playlists
    .venv/bin/python benchmarks/ml.py --playlists 10000      less of it
    .venv/bin/python benchmarks/ml.py --forests              instead, the specified forest beside faster ones

The feature views are stood in for by tables of made numbers, three artists to ten playlists: neither loading nor
dbt is measured. Each step runs in a process of its own, whose most resident memory is told. Results go to
`benchmarks/results/ml.json`, with the machine.

`--forests` fits each model on the same splits, of which the first is the specified one. Differences from the specified
forest stand beside the noise of the rule by which models compete (`python_ml.evaluation.champion`). The numbers are
made: they show what a model costs, and not how well it would do on real playlists.
"""

import argparse
import multiprocessing
import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from machine import machine
from measuring import own_server, record, seconds_of
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from python_ml import evaluation, features, playlist_popularity
from python_ml.model_manager import keep_fresh
from python_ml.playlist_popularity import CANDIDATES, FEATURES, SEED, SPECIFIED, TARGET, TEST_SIZE
from python_ml.popularity_candidates import Candidate
from warehouse.database import connect

RESULTS = Path(__file__).parent / "results" / "ml.json"
CHANGED = 50
# With more playlists a split takes minutes, and the spread over splits is small.
MOST_OFTEN_SPLIT = 100_000
MEASURES: tuple[tuple[str, evaluation.Scale | None], ...] = (
    ("rmse", "log1p"),
    ("r2", "log1p"),
    ("rmse", "raw"),
    ("r2", "raw"),
    ("spearman", None),
)

# Followers are 1 for three quarters, and heavy-tailed for the rest; edits and length have a part in them.
MAKE = """
drop schema if exists features cascade;
truncate ml.model_runs cascade;
create schema features;
select setseed(0.42);
create table features.playlist_features as
with draws as (
    select
        pid,
        5 + floor(245 * random() ^ 3)::integer as num_tracks,
        random() as artists,
        random() as albums,
        random() as luck,
        random() as tail,
        1 + floor(90 * random() ^ 4)::integer as num_edits
    from generate_series(0, {playlists} - 1) as pid
), counts as (
    select *, greatest(1, floor(num_tracks * artists))::integer as unique_artists,
        greatest(1, floor(num_tracks * albums))::integer as num_albums
    from draws
)
select
    pid,
    num_tracks,
    num_albums,
    (num_tracks * (180000 + 90000 * luck))::bigint as duration_ms,
    luck < 0.02 as collaborative,
    unique_artists as num_artists,
    unique_artists,
    num_tracks::float8 / unique_artists as tracks_per_artist,
    num_tracks::float8 / num_albums as avg_tracks_per_album,
    180000 + 90000 * luck as avg_track_duration,
    tail < 0.02 as has_description,
    num_edits,
    15000 + floor(2500 * artists)::integer as modified_day,
    1 + floor(3 * albums)::integer as title_words,
    4 + floor(20 * albums)::integer as title_length,
    floor(36 * luck)::integer as genre_number,
    artists * 0.1 as repeated_share,
    case
        when random() < 0.75 then 1
        else least(70000, ceil(1 + 0.005 * num_edits * num_tracks / (1 - tail)))::integer
    end as num_followers,
    pid::bigint as features_digest
from counts;
create table features.artist_features as
with draws as (
    select number, ceil(1 / (1 - random()) ^ 0.9) as appearances, random() as tracks, random() as followers
    from generate_series(0, {playlists} * 3 / 10 - 1) as number
)
select
    'spotify:artist:' || lpad(number::text, 22, '0') as artist_uri,
    least(appearances, 1e6)::integer as playlist_appearances,
    1 + 5 / (1.001 - followers) as avg_followers,
    1 + floor(sqrt(appearances) * tracks * 4)::integer as track_count,
    (1 + 5 / (1.001 - followers)) / least(appearances, 1e6) as followers_per_playlist,
    (1 + floor(sqrt(appearances) * tracks * 4)) / least(appearances, 1e6) as tracks_per_playlist,
    number::bigint as features_digest
from draws;
analyze features.playlist_features;
analyze features.artist_features;
"""


def run_step(pipe: Any) -> None:
    """Do what each model needs, and tell the most resident megabytes of this process."""
    outcomes = keep_fresh(connect, trigger="benchmark")
    failures = [repr(outcome.error) for outcome in outcomes if outcome.error]
    pipe.send((failures, round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)))


def step() -> int:
    """Run a step in a process of its own; returns its most resident megabytes."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=run_step, args=[theirs])
    process.start()
    failures, megabytes = ours.recv()
    process.join()
    if failures:
        raise SystemExit(f"failed: {failures}")
    return int(megabytes)


def runs_after(run_id: int) -> dict[str, dict[str, Any]]:
    """What the runs since then took, by model."""
    with connect(autocommit=True) as connection:
        rows = connection.execute(
            "select model, champion, rows_read, phase_seconds, extract(epoch from finished_at - started_at)::float8,"
            " (select octet_length(content) from ml.models where models.run_id = model_runs.run_id)"
            " from ml.model_runs where run_id > %s order by run_id",
            [run_id],
        ).fetchall()
    return {
        model: {
            "rows": rows_read,
            **({"champion": champion, "model_megabytes": round(size / 1e6, 1)} if champion else {}),
            "seconds": round(seconds, 2),
            **{f"{phase}_seconds": round(taken, 2) for phase, taken in phases.items()},
            "publish_seconds": round(seconds - sum(phases.values()), 2),
        }
        for model, champion, rows_read, phases, seconds, size in rows
    }


def measure(playlists: int) -> dict[str, Any]:
    """Train on that many playlists, then score a few that changed."""
    with connect(autocommit=True) as connection:
        connection.execute(MAKE.format(playlists=playlists).encode())
        [(before,)] = connection.execute("select coalesce(max(run_id), 0) from ml.model_runs").fetchall()
    trained = {"peak_megabytes": step(), **runs_after(before)}
    with connect(autocommit=True) as connection:
        [(before,)] = connection.execute("select max(run_id) from ml.model_runs").fetchall()
        for view, key in (("playlist_features", "pid"), ("artist_features", "features_digest")):
            connection.execute(
                f"update features.{view} set features_digest = -1 - features_digest where {key} < %s",  # noqa: S608
                [CHANGED],
            )
    scored = {"peak_megabytes": step(), **runs_after(before)}
    return {"trained": trained, "scored": scored}


def forest(max_samples: float) -> Candidate:
    """Return the specified forest, each tree of which is grown on a share of the playlists."""
    return regressor(playlist_popularity.estimator().set_params(max_samples=max_samples))


def regressor(estimator: Any) -> Candidate:
    """Return the candidate that fits this estimator to followers, on the nine features of the specification."""
    return Candidate(
        FEATURES,
        lambda followers: len(followers) > 0,
        lambda frame, followers, _: {"regressor": estimator.fit(frame, followers)},
        lambda estimators, frame: np.maximum(1.0, estimators["regressor"].predict(frame)),
        estimator.get_params,
    )


FORESTS: Mapping[str, Candidate] = {
    SPECIFIED: CANDIDATES[SPECIFIED],
    "max_samples_0.5": forest(0.5),
    "max_samples_0.25": forest(0.25),
    "max_samples_0.1": forest(0.1),
    "histogram_on_followers": regressor(HistGradientBoostingRegressor(max_depth=10, random_state=SEED)),
    "poisson_boosting": CANDIDATES["poisson_boosting"],
    "two_part": CANDIDATES["two_part"],
}


def compare_forests(playlists: int) -> dict[str, Any]:
    """Fit the specified forest and faster models on the same splits of that many playlists, and measure them."""
    with connect(autocommit=True) as connection:
        connection.execute(MAKE.format(playlists=playlists).encode())
        frame = features.read(connection, features.PLAYLISTS).frame
    splits = evaluation.SPLITS if playlists <= MOST_OFTEN_SPLIT else 1
    found: dict[str, list[dict[str, float]]] = {name: [] for name in FORESTS}
    for seed in range(SEED, SEED + splits):
        train, test = train_test_split(frame, test_size=TEST_SIZE, random_state=seed)
        for name, candidate in FORESTS.items():
            found[name].append(fit_and_measure(candidate, train, test))
    specified = pd.DataFrame(found[SPECIFIED])
    return {"splits": splits} | {name: beside(specified, pd.DataFrame(measured)) for name, measured in found.items()}


def fit_and_measure(candidate: Candidate, train: pd.DataFrame, test: pd.DataFrame) -> dict[str, float]:
    """Fit on one part of a split and measure on the other; boosting on one core, as in a training."""
    fitted: dict[str, Any] = {}
    with threadpool_limits(limits=1, user_api="openmp"):
        inputs, followers = train[list(candidate.features)], train[TARGET].to_numpy()
        seconds = seconds_of(lambda: fitted.update(candidate.fit(inputs, followers, SEED)))
        predicted = candidate.predict(fitted, test[list(candidate.features)])
    measures = evaluation.held_out_measures(test[TARGET].to_numpy(), predicted)
    return {"fit_seconds": seconds} | {
        "_".join(filter(None, measure)): measures.get(measure, float("nan")) for measure in MEASURES
    }


def beside(specified: pd.DataFrame, measured: pd.DataFrame) -> dict[str, float]:
    """Return the mean of each measure over the splits, and by how much the error on log1p exceeds the forest's."""
    excess = (measured - specified)["rmse_log1p"]
    found = {str(name): round(float(mean), 4) for name, mean in measured.mean().items()}
    found["rmse_log1p_excess"] = round(float(excess.mean()), 5)
    if len(excess) == evaluation.SPLITS:
        found["noise"] = round(evaluation.noise(excess.to_numpy(), TEST_SIZE), 5)
    return found


def main() -> None:
    """Measure what the arguments ask for, and put it into the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--playlists", type=int, nargs="+", default=[100_000, 1_000_000], help="how many, in turn")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--forests", action="store_true", help="compare the specified forest with faster ones")
    arguments = parser.parse_args()
    found: dict[str, Any] = {"machine": machine("numpy", "pandas", "scikit-learn", "skops", "psycopg")}
    with own_server():
        for playlists in arguments.playlists:
            found[f"{playlists}_playlists"] = (compare_forests if arguments.forests else measure)(playlists)
    record(arguments.out, {"faster_forests": found} if arguments.forests else found)


if __name__ == "__main__":
    main()
