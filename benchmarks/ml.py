"""Measure the machine learning step: reading features, fitting, publishing, scoring what is new, and its memory.

    make bench-ml                                            100,000 and 1,000,000 playlists
    .venv/bin/python benchmarks/ml.py --playlists 10000      less of it

The feature views are stood in for by tables of made numbers, three artists to ten playlists: neither loading nor
dbt is measured. Each step runs in a process of its own, whose most resident memory is told. Results go to
`benchmarks/results/ml.json`, with the machine.
"""

import argparse
import multiprocessing
import resource
from pathlib import Path
from typing import Any

from machine import machine
from measuring import own_server, record

from python_ml.model_manager import keep_fresh
from warehouse.database import connect

RESULTS = Path(__file__).parent / "results" / "ml.json"
CHANGED = 50

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
    case when random() < 0.75 then 1 else least(70000, ceil(1 + 0.3 * num_edits / (1 - tail)))::integer end
        as num_followers,
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


def main() -> None:
    """Measure what the arguments ask for, and put it into the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--playlists", type=int, nargs="+", default=[100_000, 1_000_000], help="how many, in turn")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    found: dict[str, Any] = {"machine": machine("numpy", "pandas", "scikit-learn", "skops", "psycopg")}
    with own_server():
        for playlists in arguments.playlists:
            found[f"{playlists}_playlists"] = measure(playlists)
    record(arguments.out, found)


if __name__ == "__main__":
    main()
