"""Measure the making of synthetic slices: speed on one core, and how near the figures come at a size.

Run it from the checkout: `python benchmarks/synthetic.py` times rendering, and `--count 1000000` also draws that many
playlists without writing them, and counts. Results go to `benchmarks/results/synthetic.json`, with the machine.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

from loaders.synthetic import render_slice
from loaders.synthetic_catalogue import track_facts
from loaders.synthetic_playlists import SLICE, sample_playlists, sample_tracks, the_catalogue

RESULTS = Path(__file__).parent / "results" / "synthetic.json"
SEED = 20171031


def measure_speed(slices: int) -> dict[str, Any]:
    """Time rendering on this one process, after the catalogue (timed apart) is there."""
    started = time.perf_counter()
    the_catalogue()
    ready = time.perf_counter()
    processor = time.process_time()
    size = sum(len(render_slice(SEED, number)) for number in range(slices))
    wall, cpu = time.perf_counter() - ready, time.process_time() - processor
    return {
        "playlists": slices * SLICE,
        "megabytes": round(size / 1e6, 1),
        "catalogue_seconds": round(ready - started, 2),
        "megabytes_per_second_wall": round(size / 1e6 / wall, 1),
        "megabytes_per_second_cpu": round(size / 1e6 / cpu, 1),
    }


def normalised(title: str) -> str:
    """Lower case without blanks at the ends, punctuation and emoji; a title of nothing else stays as it is."""
    return " ".join(re.sub(r"[^\w\s&;#]|(?<!&)#", " ", title.lower()).split()) or title


def count(playlists: int) -> dict[str, Any]:
    """Draw playlists without rendering them, and count what the original's figures count."""
    known = the_catalogue()
    rows_of_track = np.zeros(int(known.first_track[-1]), dtype=np.int64)
    playlists_of_track = np.zeros_like(rows_of_track)
    columns: dict[str, list[Any]] = {key: [] for key in ("followers", "edits", "length", "described", "day", "repeats")}
    names: set[str] = set()
    for number in range(playlists // SLICE):
        made = sample_playlists(SEED, number)
        tracks = sample_tracks(made, SEED, number)
        key = np.repeat(np.arange(SLICE), made.length) * len(rows_of_track) + tracks
        once = np.unique(key)
        np.add.at(rows_of_track, tracks, 1)
        np.add.at(playlists_of_track, once % len(rows_of_track), 1)
        names.update(made.name)
        columns["followers"].append(made.followers)
        columns["edits"].append(made.edits)
        columns["length"].append(made.length)
        columns["described"].append(made.described)
        columns["day"].append(made.modified_at // 86_400)
        columns["repeats"].append(np.bincount(once // len(rows_of_track), minlength=SLICE) < made.length)
    table = {key: np.concatenate(parts) for key, parts in columns.items()}
    return (
        {"playlists": playlists} | _playlist_figures(table, names) | _track_figures(rows_of_track, playlists_of_track)
    )


def _playlist_figures(table: dict[str, Any], names: set[str]) -> dict[str, Any]:
    followers, edits, length = table["followers"], table["edits"], table["length"]
    popular = followers >= 10
    log_followers = np.log1p(followers)
    features = np.column_stack([np.ones(len(followers)), np.log(edits), np.log(length), table["described"]])
    fitted = features @ np.linalg.lstsq(features, log_followers, rcond=None)[0]
    return {
        "followers": {str(value): int((followers == value).sum()) for value in (*range(1, 13), 15, 20)},
        "followers_at_least_10": int(popular.sum()),
        "followers_mean": round(float(followers.mean()), 3),
        "followers_sd": round(float(followers.std()), 1),
        "followers_most": int(followers.max()),
        "log1p_followers_mean": round(float(log_followers.mean()), 4),
        "log1p_followers_sd": round(float(log_followers.std()), 4),
        "r2_of_log1p_followers": round(
            float(1 - ((log_followers - fitted) ** 2).sum() / ((log_followers - log_followers.mean()) ** 2).sum()), 4
        ),
        "described_share": round(float(table["described"].mean()), 5),
        "described_share_at_least_10_followers": round(float(table["described"][popular].mean()), 4),
        "edits": {str(value): int((edits == value).sum()) for value in (2, 3, 4, 5, 6, 10)},
        "edits_median": float(np.median(edits)),
        "edits_median_at_least_10_followers": float(np.median(edits[popular])),
        "length_mean": round(float(length.mean()), 3),
        "length_median": float(np.median(length)),
        "length_mode": int(np.bincount(length).argmax()),
        "length_15": int((length == 15).sum()),
        "length_20": int((length == 20).sum()),
        "modified_on_the_peak": int(np.bincount(table["day"]).max()),
        "repeats_share": round(float(table["repeats"].mean()), 4),
        "titles": len(names),
        "titles_normalised": len({normalised(name) for name in names}),
    }


def _track_figures(rows_of_track: Any, playlists_of_track: Any) -> dict[str, Any]:
    seen = np.flatnonzero(rows_of_track)
    facts = track_facts(the_catalogue(), seen)
    artist_rows = np.bincount(facts.artist, weights=rows_of_track[seen])
    pairs = np.unique(facts.album * (int(facts.artist.max()) + 1) + facts.artist) // (int(facts.artist.max()) + 1)
    artists_of_album = np.unique(pairs, return_counts=True)[1]
    return {
        "track_rows": int(rows_of_track.sum()),
        "tracks": len(seen),
        "tracks_in_one_row": int((rows_of_track == 1).sum()),
        "albums": len(artists_of_album),
        "albums_of_several_artists_share": round(float((artists_of_album > 1).mean()), 5),
        "artists": int((artist_rows > 0).sum()),
        "top_tracks_playlists": np.sort(playlists_of_track)[::-1][[0, 1, 2, 3, 4, 9, 99, 999]].tolist(),
        "top_artists_rows": np.sort(artist_rows)[::-1][[0, 1, 2, 3, 4, 9, 99, 999]].astype(int).tolist(),
    }


def main() -> None:
    """Measure what the arguments ask for, and add it to the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=20, help="slices to time (default 20)")
    parser.add_argument(
        "--count", type=int, action="append", default=[], help="playlists to draw and count; may repeat"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    result: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    result |= {"machine": machine("numpy"), "speed": measure_speed(arguments.slices)}
    for playlists in arguments.count:
        result.setdefault("counts", {})[str(playlists)] = count(playlists)
    result["peak_memory_megabytes"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    json.dump(result, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
