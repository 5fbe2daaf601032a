"""Write the report on data and models: one HTML file that opens anywhere, without a network."""

import base64
import hashlib
import math
import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any, LiteralString

import jinja2
import pandas as pd
import plotly.graph_objects as go
import plotly.offline
from markupsafe import Markup
from psycopg import Connection, sql
from psycopg.rows import dict_row

from python_ml import artist_trends, charts, playlist_popularity

# A forest always fits what it has seen better; a gap in R2 beyond this is worth a sentence.
_OVERFIT = 0.3
_POINTS = 5_000
_POINTS_A_CLUSTER = 1_000
_ROWS_A_RECOMMENDATION = 5
_LARGEST_CHANGES = 10
_TEMPLATES = Path(__file__).parent / "templates"
_SCALES = ("raw", "log1p")
_METRICS = ("rmse", "mae", "r2")
_ANSWERS = {
    "test": "The forest as specified",
    "baseline_mean": "Always the mean",
    "baseline_median": "Always the median",
    "baseline_one": "Always one follower",
    "train": "The same, on what it was fitted on",
}
_COMPARED: dict[str, tuple[str, str | None]] = {
    "RMSE, log1p": ("rmse", "log1p"),
    "R², log1p": ("r2", "log1p"),
    "RMSE, followers": ("rmse", "raw"),
    "Rank correlation": ("spearman", None),
    "AUC, 2 or more": ("roc_auc_at_least_2", None),
    "AUC, 10 or more": ("roc_auc_at_least_10", None),
}
"""What candidates are compared by, in the order of the columns: metric and scale."""
_FOLLOWED: dict[str, tuple[str, str | None]] = _COMPARED | {
    "Coverage of the intervals": ("interval_coverage", None),
    "Width of the intervals, followers": ("interval_width", "raw"),
    "Error of the confidence": ("confidence_error", None),
    "Number of clusters": ("n_clusters", None),
    "Share of the largest cluster": ("largest_share", None),
    "Stability": ("stability", None),
    "Silhouette": ("silhouette", "raw"),
    "Silhouette, log1p": ("silhouette", "log1p"),
    "Davies-Bouldin": ("davies_bouldin", "raw"),
    "Davies-Bouldin, log1p": ("davies_bouldin", "log1p"),
}
"""What is followed from training to training, of either model."""
_RESULTS = {playlist_popularity.MODEL: "playlist_predictions", artist_trends.MODEL: "artist_clusters"}
_CANDIDATES = {
    "specified_forest": "Random forest, as specified",
    "poisson_boosting": "Gradient boosting, Poisson loss",
    "two_part": "Two parts: any follower, and how many",
    "constant_mean": "Always the mean",
    "constant_median": "Always the median",
    "constant_one": "Always one follower",
    "specified": "Five clusters, as specified",
    "log_scaled": "Clusters on a log scale",
}

Row = dict[str, Any]
# By metric, scale and split.
Metrics = Mapping[tuple[str, str | None, str | None], float]


def write_reports(connection: Connection, folder: Path) -> tuple[Path, Path | None]:
    """Write the report as `latest.html`, and under the name of the runs that it shows.

    The name starts with when the last of them ended, so that reports sort by age. There is one a run: until something
    is trained or scored again, the next report replaces it.

    Args:
        connection: As for `write_report`.
        folder: Where the reports are; it is made if it does not exist.

    Returns:
        Path of `latest.html`, and that of the other; None before the first run.

    Raises:
        OSError: a file cannot be written there.
    """
    name = _report_name(connection)
    page = render_report(connection)
    kept = _write_page(page, folder / name) if name else None
    return _write_page(page, folder / "latest.html"), kept


def write_report(connection: Connection, path: Path) -> Path:
    """Write the report on what was loaded, how good the models are, and what they recommend.

    Sections without data say which command brings it. The file holds everything it shows, charts included, and appears
    at once: a reader sees the report of before, or the new one.

    Args:
        connection: Open, to a database that has the tables of the warehouse.
        path: The HTML file; its folder is made if it does not exist.

    Returns:
        The path written.

    Raises:
        OSError: the file cannot be written there.
    """
    return _write_page(render_report(connection), path)


def _report_name(connection: Connection) -> str | None:
    runs = _read(
        connection,
        "select max(run_id) as run_id, max(finished_at) as finished_at from ml.model_runs"
        " where status = 'succeeded' group by model order by 1",
    )
    if not runs:
        return None
    ended = max(run["finished_at"] for run in runs).astimezone(UTC)
    numbers = "-".join(str(run["run_id"]) for run in runs)
    return f"{ended:%Y-%m-%dT%H%M%SZ}-{'runs' if len(runs) > 1 else 'run'}-{numbers}.html"


def _write_page(page: str, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        # Of the file that was asked for, not of the draft that nobody knows.
        raise OSError(error.errno, error.strerror, str(path)) from error
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(page)
        # Temporary files are for their owner alone; a report is to be read.
        draft.chmod(0o644)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return path


def render_report(connection: Connection) -> str:
    """Return the report as one HTML page; see `write_report`."""
    popularity, popularity_figures = _popularity(connection)
    artists, artist_figures = _artists(connection)
    scripts = [plotly.offline.get_plotlyjs(), (_TEMPLATES / "report.js").read_text(encoding="utf-8")]
    return _template().render(
        as_of=_as_of(connection),
        synthetic=_synthetic(connection),
        loaded=_loaded(connection),
        popularity=popularity,
        artists=artists,
        playlist_recommendations=_playlist_recommendations(connection),
        artist_recommendations=_artist_recommendations(connection),
        figures={name: _as_json(figure) for name, figure in (popularity_figures | artist_figures).items()},
        colours={
            "accent": charts.ACCENT,
            "text": charts.TEXT,
            "muted": charts.MUTED,
            "grid": charts.GRID,
            "panel": charts.PANEL,
        },
        scripts=[Markup(script) for script in scripts],  # noqa: S704 - our own, and that of Plotly
        script_hashes=" ".join(_content_hash(script) for script in scripts),
    )


def format_number(value: object) -> str:
    """Format a number for people: `12,345`, `3.14`, `0.0042`; text stays as it is and null is a dash."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return str(value)
    number = float(value)
    if number.is_integer() or abs(number) >= 1_000:
        return f"{number:,.0f}"
    return f"{number:,.1f}" if abs(number) >= 100 else f"{number:,.3g}"


def format_measure(value: float | None) -> str:
    """Format a measured number with enough digits to compare it: `107.87`, `-0.512`."""
    if value is None:
        return "-"
    return f"{value:z,.2f}" if abs(value) >= 10 else f"{value:z,.3f}"


def format_share(share: float) -> str:
    """Format a share of 1 as a percentage that never says nothing where there is something: `14.2%`, `<0.1%`."""
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def popularity_verdict(metrics: Metrics) -> list[str]:
    """Say in plain words what the metrics of playlist popularity mean.

    Args:
        metrics: Values by metric, scale and split.
    """
    r2 = metrics["r2", "log1p", "test"]
    sentences = [
        f"Counted in followers, the error (RMSE) is {_beside_best_constant(metrics, 'raw')}.",
        f"On log1p of followers it is {_beside_best_constant(metrics, 'log1p')}.",
        f"An R² of {format_measure(r2)} on log1p means that it explains {_explained(r2)} of the differences between "
        "held-out playlists. Counted in followers, a handful of very large playlists decides the score; "
        "log1p weighs a miss by its proportion.",
    ]
    fitted, held_out = metrics["r2", "raw", "train"], metrics["r2", "raw", "test"]
    if fitted - held_out > _OVERFIT:
        sentences.append(
            f"Counted in followers, R² is {format_measure(fitted)} on the playlists it was fitted on and "
            f"{format_measure(held_out)} on the others: much of what it learned holds for single playlists only."
        )
    return sentences


def _beside_best_constant(metrics: Metrics, scale: str) -> str:
    error = metrics["rmse", scale, "test"]
    constants = {label: metrics["rmse", scale, split] for split, label in _ANSWERS.items() if "baseline" in split}
    best = min(constants, key=constants.__getitem__)
    return (
        f"{format_measure(error)}, where the best constant answer, “{best.lower()}”, has "
        f"{format_measure(constants[best])}: the model is {_compared(error, constants[best])}"
    )


def _compared(error: float, constant: float) -> str:
    if constant == 0:
        return "as good as that" if error == 0 else "worse than that"
    change = 1 - error / constant
    if abs(change) < 0.005:
        return "about as good as that"
    return f"{abs(change):.0%} {'better' if change > 0 else 'worse'} than that"


def _explained(r2: float) -> str:
    return "nothing" if r2 <= 0 else "less than 1 %" if r2 < 0.01 else f"{r2 * 100:.0f} %"


def _popularity(connection: Connection) -> tuple[Row, dict[str, go.Figure]]:
    run, failure = _runs(connection, playlist_popularity.MODEL)
    if run is None:
        return {"run": None, "failure": failure}, {}
    metrics = _metrics(connection, run["run_id"])
    figures = {
        name: draw(importances)
        for name, method, draw in (
            ("feature_importance", "impurity", charts.feature_importance),
            ("permutation_importance", "permutation", charts.permutation_importance),
        )
        if not (importances := _importances(connection, run["run_id"], method)).empty
    }
    sureness, sureness_figures = _sureness(connection, run["run_id"])
    residuals, residual_figures = _residuals(connection, run["run_id"])
    figures |= sureness_figures | residual_figures
    held_out, points = _held_out(connection, run["run_id"])
    if not points.empty:
        figures["predicted_against_actual"] = charts.predicted_against_actual(points)
    section = {
        "run": run,
        "failure": failure,
        "scales": _SCALES,
        "rows": [
            {
                "label": label,
                "is_model": split == "test",
                "measures": [metrics.get((metric, scale, split)) for scale in _SCALES for metric in _METRICS],
            }
            for split, label in _ANSWERS.items()
        ],
        "targets": _targets(connection, run["run_id"]),
        "verdict": popularity_verdict(metrics),
        "champion": _CANDIDATES.get(run["champion"], run["champion"]),
        "compared": list(_COMPARED),
        "candidates": _candidates(connection, run),
        "sureness": sureness,
        "residuals": residuals,
        "changes": _changes(connection, run, playlist_popularity.MODEL, "playlists"),
        "held_out": held_out,
        "shown": len(points),
    }
    return section, figures


def _candidates(connection: Connection, run: Row) -> list[Row]:
    """Return a row for each candidate that competed in a run, the best first, with mean and spread of each measure."""
    found: dict[str, dict[tuple[str, str | None], dict[str, float]]] = {}
    for row in _read(
        connection,
        "select candidate, metric, scale, split, value from ml.model_metrics"
        " where run_id = %s and candidate is not null and split in ('repeated_mean', 'repeated_sd')",
        [run["run_id"]],
    ):
        found.setdefault(row["candidate"], {}).setdefault((row["metric"], row["scale"]), {})[row["split"]] = row[
            "value"
        ]
    return [
        {
            "label": _CANDIDATES.get(name, name),
            "is_champion": name == run["champion"],
            "measures": [measures.get(key, {}) for key in _COMPARED.values()],
        }
        for name, measures in sorted(found.items(), key=lambda item: item[1]["rmse", "log1p"]["repeated_mean"])
    ]


def _importances(connection: Connection, run_id: int, method: str) -> pd.Series:
    rows = _read(
        connection,
        "select feature, importance from ml.feature_importances where run_id = %s and method = %s order by feature",
        [run_id, method],
    )
    return pd.Series({row["feature"]: row["importance"] for row in rows}, dtype="float64")


def _sureness(connection: Connection, run_id: int) -> tuple[Row, dict[str, go.Figure]]:
    """Return how often intervals held, how wide they are, and what became of each tenth of the confidence."""
    if not _exists(connection, "insights.prediction_calibration"):
        return {"interval": None}, {}
    rows = _read(
        connection,
        "select * from insights.prediction_calibration where run_id = %s order by statement, tenth",
        [run_id],
    )
    whole = {row["statement"]: row for row in rows if row["tenth"] is None}
    tenths = {
        name: [row for row in rows if row["statement"] == name and row["tenth"] is not None]
        for name in ("interval", "confidence")
    }
    figures = {}
    if tenths["interval"]:
        figures["interval_coverage"] = charts.interval_coverage(pd.DataFrame(tenths["interval"]))
    if tenths["confidence"]:
        figures["confidence_calibration"] = charts.confidence_calibration(pd.DataFrame(tenths["confidence"]))
    return {
        "interval": whole.get("interval"),
        "intervals": tenths["interval"],
        "coverage_verdict": coverage_verdict(tenths["interval"]),
        "confidence_verdict": confidence_verdict(tenths["confidence"]),
    }, figures


def coverage_verdict(tenths: list[Row]) -> list[str]:
    """Say in plain words whether intervals hold at every level of the prediction.

    Args:
        tenths: Rows of `insights.prediction_calibration` with the statement `interval`.
    """
    if not tenths:
        return []
    stated = tenths[0]["stated_share"]
    shares = [row["observed_share"] for row in tenths]
    short = [row["tenth"] for row in tenths if row["observed_share"] < stated]
    sentence = (
        f"From the lowest predictions to the highest, {min(shares):.1%} to {max(shares):.1%} of each tenth are covered"
    )
    if not short:
        return [f"{sentence}: at every level at least the stated {stated:.0%}."]
    numbered = f"tenth {short[0]} falls" if len(short) == 1 else f"tenths {_listed(short)} fall"
    return [f"{sentence}: {numbered} short of the stated {stated:.0%}, and the others make up for it."]


def confidence_verdict(tenths: list[Row]) -> list[str]:
    """Say in plain words whether confidence is what happens.

    Args:
        tenths: Rows of `insights.prediction_calibration` with the statement `confidence`.
    """
    if not tenths:
        return []
    gaps = {row["tenth"]: row["observed_share"] - row["stated_share"] for row in tenths}
    tenth, largest = max(gaps.items(), key=lambda gap: abs(gap[1]))
    mean = sum(abs(gap) for gap in gaps.values()) / len(gaps)
    direction = "more often" if largest > 0 else "less often"
    return [
        f"What is stated and what happened differ by {100 * mean:.1f} percentage points on average, and most in tenth "
        f"{tenth}, where it happened {direction} than stated by {100 * abs(largest):.1f}."
    ]


def _residuals(connection: Connection, run_id: int) -> tuple[Row, dict[str, go.Figure]]:
    """Return how wrong predictions are by band of actual followers; no bands before the run was built on."""
    if not _exists(connection, "insights.prediction_residuals"):
        return {"bands": [], "verdict": []}, {}
    bands = _read(
        connection, "select * from insights.prediction_residuals where run_id = %s order by min_followers", [run_id]
    )
    if not bands:
        return {"bands": [], "verdict": []}, {}
    return (
        {"bands": bands, "verdict": residuals_verdict(bands)},
        {"residuals_by_band": charts.residuals_by_band(pd.DataFrame(bands))},
    )


def residuals_verdict(bands: list[Row]) -> list[str]:
    """Say in plain words which playlists are predicted too low or too high.

    Args:
        bands: Rows of `insights.prediction_residuals`, ascending.
    """
    sentences = []
    for error, alike in groupby(bands, key=lambda band: band["usual_error"]):
        group = list(alike)
        low, high = group[0]["min_followers"], group[-1]["max_followers"]
        if low == high:
            size = f"{low:,}"
        elif group[-1] is bands[-1]:
            size = f"{low:,} or more"
        else:
            size = f"{low:,} or {high:,}" if high == low + 1 else f"{low:,} to {high:,}"
        share = format_share(sum(band["share_of_playlists_pct"] for band in group) / 100)
        said = {
            "too low": "are mostly predicted too low: they have more than twice as many",
            "too high": "are mostly predicted too high: they have less than half as many",
            "mixed": "are predicted too low, too high or about right, and none of it mostly",
        }.get(error, "are mostly predicted within a factor of two")
        sentences.append(
            f"Playlists with {size} {'follower' if size == '1' else 'followers'} ({share} of those held out) {said}."
        )
    return sentences


def _changes(connection: Connection, run: Row, model: str, things: str) -> Row:
    """Return what differs from the training before; `state` says whether there was one, and whether it was built on."""
    earlier = _read(
        connection,
        sql.SQL(
            "select 1 from ml.model_runs as runs where model = %s and run_id < %s and status = 'succeeded'"
            " and scored_with is null and exists (select 1 from {} as kept where kept.run_id = runs.run_id) limit 1"
        ).format(sql.Identifier("ml", _RESULTS[model])),
        [model, run["run_id"]],
    )
    if not earlier:
        return {"state": "first"}
    found = (
        _read(
            connection,
            "select * from insights.training_changes where model_name = %s and run_id = %s",
            [model, run["run_id"]],
        )
        if _exists(connection, "insights.training_changes")
        else []
    )
    if not found:
        return {"state": "unbuilt"}
    metrics = {
        (row["metric"], row["scale"]): row
        for row in _read(connection, "select * from insights.metric_changes where run_id = %s", [run["run_id"]])
    }
    followed = [{"label": label, **metrics[key]} for label, key in _FOLLOWED.items() if key in metrics]
    changes: Row = {
        "state": "known",
        "verdict": changes_verdict(found[0], metrics.get(("rmse", "log1p")), things),
        "metrics": followed,
        "has_spread": any(row["spread"] is not None for row in followed),
        "run": found[0],
    }
    if model == playlist_popularity.MODEL:
        changes["importances"] = _read(
            connection,
            """
            select feature, previous_importance, importance
            from insights.feature_importances
            where run_id = %s and method = 'permutation' and previous_importance is not null
            order by abs(importance - previous_importance) desc, feature
            limit %s
            """,
            [run["run_id"], _LARGEST_CHANGES // 2],
        )
        changes["moves"] = _read(
            connection,
            "select * from insights.prediction_changes where run_id = %s and change_rank <= %s order by change_rank",
            [run["run_id"], _LARGEST_CHANGES],
        )
    else:
        changes["moves"] = _read(
            connection,
            """
            select * from insights.cluster_changes
            where run_id = %s and is_move
            order by num_artists desc, previous_cluster_id, cluster_id
            limit %s
            """,
            [run["run_id"], _LARGEST_CHANGES],
        )
    return changes


def changes_verdict(changes: Row, error: Row | None, things: str) -> list[str]:
    """Say in plain words what differs from the training before.

    Args:
        changes: A row of `insights.training_changes`.
        error: The row of `insights.metric_changes` with the error that decides which candidate serves, if there is one.
        things: What the model reads, `playlists` or `artists`.
    """
    then, now = (_CANDIDATES.get(changes[name], changes[name]) for name in ("previous_champion", "champion"))
    read, added, gone, both, moved = (
        f"{changes[f'rows_{name}']:,}" for name in ("read", "added", "gone", "in_both", "moved")
    )
    sentences = [
        f"Run {changes['previous_run_id']} read {changes['previous_rows_read']:,} {things}, this one {read}: {added} "
        f"were added, {gone} are gone.",
        f"“{now}” serves, as it did then." if then == now else f"“{now}” serves in the place of “{then}”.",
    ]
    if error and error["previous_metric_value"] is not None:
        sentence = (
            f"The error (RMSE on log1p) went from {format_measure(error['previous_metric_value'])} to "
            f"{format_measure(error['metric_value'])}"
        )
        if error["is_beyond_chance"] is not None:
            sentence += (
                ", by more than chance makes of two held-out parts"
                if error["is_beyond_chance"]
                else ", which is no more than chance makes of two held-out parts"
            )
        sentences.append(f"{sentence}.")
    if changes["rows_in_both"]:
        share = format_share(changes["rows_moved"] / changes["rows_in_both"])
        sentences.append(
            f"Of the {both} {things} in both, {moved} ({share}) "
            + (
                "are in another cluster now."
                if changes["rows_moved_up"] is None
                else f"have a prediction that moved by a factor of {format_number(changes['moved_ratio'])} or more: "
                f"{changes['rows_moved_up']:,} up, {changes['rows_moved_down']:,} down."
            )
        )
    return sentences


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"


def _targets(connection: Connection, run_id: int) -> list[Row]:
    """Return a cell for each column of measures, empty where there is no target; nothing before a run was built on."""
    if not _exists(connection, "insights.model_performance"):
        return []
    found = {
        (row["metric"], row["scale"]): row
        for row in _read(
            connection,
            "select metric, scale, target_value, is_target_met from insights.model_performance"
            " where run_id = %s and split = 'test' and target_value is not null",
            [run_id],
        )
    }
    return [found.get((metric, scale), {}) for scale in _SCALES for metric in _METRICS] if found else []


def _held_out(connection: Connection, run_id: int) -> tuple[int, pd.DataFrame]:
    count = _read(
        connection,
        "select count(*) as playlists from ml.playlist_predictions where run_id = %s and is_held_out",
        [run_id],
    )[0]["playlists"]
    if not _exists(connection, "features.playlist_features"):
        return count, pd.DataFrame()
    # Ordered by a digest: an arbitrary sample that is the same each time.
    points = pd.DataFrame(
        _read(
            connection,
            """
            select
                predictions.pid,
                predictions.predicted_followers as predicted,
                playlists.num_followers as actual
            from ml.playlist_predictions as predictions
            inner join features.playlist_features as playlists on predictions.pid = playlists.pid
            where predictions.run_id = %s and predictions.is_held_out
            order by md5(predictions.pid::text)
            limit %s
            """,
            [run_id, _POINTS],
        )
    )
    if points.empty:
        return count, points
    names = "select pid as key, name from marts.playlists where pid = any(%s)"
    points["name"] = _names(connection, "marts.playlists", names, points["pid"])
    return count, points


def _artists(connection: Connection) -> tuple[Row, dict[str, go.Figure]]:
    run, failure = _runs(connection, artist_trends.MODEL)
    if run is None:
        return {"run": None, "failure": failure}, {}
    candidates = {
        name: _metrics(connection, run["run_id"], name) for name in (artist_trends.SPECIFIED, artist_trends.LOG_SCALED)
    }
    scale = artist_trends.CANDIDATES.get(run["champion"], "raw")
    serving = candidates.get(run["champion"], {})
    silhouette, stable = serving.get(("silhouette", scale, None)), serving.get(("stability", None, None))
    section: Row = {
        "run": run,
        "failure": failure,
        "tiles": [
            {"label": "silhouette, -1 to 1", "value": silhouette},
            {"label": "stability, 0 to 1", "value": stable},
        ],
        "verdict": _clusters_verdict(silhouette, stable),
        "changes": _changes(connection, run, artist_trends.MODEL, "artists"),
        "candidates": [
            {
                "label": _CANDIDATES[name],
                "is_champion": name == run["champion"],
                "measures": [
                    metrics.get(key)
                    for key in (
                        ("n_clusters", None, None),
                        ("largest_share", None, None),
                        ("stability", None, None),
                        ("silhouette", "raw", None),
                        ("silhouette", "log1p", None),
                        ("davies_bouldin", "raw", None),
                        ("davies_bouldin", "log1p", None),
                    )
                ],
            }
            for name, metrics in candidates.items()
            if metrics
        ],
        "clusters": [],
    }
    clusters = _clusters(connection, run["run_id"])
    if clusters.empty:
        return section, {}
    points = _sampled_artists(connection, run["run_id"])
    points["cluster_name"] = points["cluster_id"].map(clusters.set_index("cluster_id")["cluster_name"])
    total = int(clusters["artists"].sum())
    section |= {
        "clusters": [
            {
                "cluster_name": row["cluster_name"],
                "colour": charts.cluster_colour(row["cluster_id"]),
                "artists": row["artists"],
                "share": row["artists"] / total,
                "averages": [row[feature] for feature in artist_trends.FEATURES],
            }
            for row in clusters.to_dict("records")
        ],
        "labels": [charts.feature_label(feature) for feature in artist_trends.FEATURES],
        "shown": len(points),
        "total": total,
        "limit": _POINTS_A_CLUSTER,
    }
    return section, {"cluster_sizes": charts.cluster_sizes(clusters), "artist_map": charts.artist_map(points)}


def _clusters_verdict(silhouette: float | None, stable: float | None) -> list[str]:
    sentences = []
    if silhouette is not None:
        sentences.append(
            f"A silhouette of {format_measure(silhouette)}: the clusters are {artist_trends.apartness(silhouette)} "
            "apart (1: far apart; 0: they touch; below: artists sit in the wrong one)."
        )
    if stable is not None:
        sentences.append(
            f"Fitted again without a fifth of the artists, the groups agree with these to {format_measure(stable)} "
            "(adjusted Rand index; 1: the same groups; 0: no more alike than chance)."
        )
    return sentences


def _clusters(connection: Connection, run_id: int) -> pd.DataFrame:
    if not _exists(connection, "features.artist_features"):
        return pd.DataFrame()
    clusters = pd.DataFrame(
        _read(
            connection,
            """
            select
                clusters.cluster_id,
                count(*) as artists,
                avg(artists.playlist_appearances)::float8 as playlist_appearances,
                avg(artists.avg_followers)::float8 as avg_followers,
                avg(artists.track_count)::float8 as track_count,
                avg(artists.followers_per_playlist)::float8 as followers_per_playlist,
                avg(artists.tracks_per_playlist)::float8 as tracks_per_playlist
            from ml.artist_clusters as clusters
            inner join features.artist_features as artists on clusters.artist_uri = artists.artist_uri
            where clusters.run_id = %s
            group by clusters.cluster_id
            order by artists desc, clusters.cluster_id
            """,
            [run_id],
        )
    )
    if not clusters.empty:
        names = (
            "select cluster_id as key, cluster_name as name from insights.cluster_profiles where cluster_id = any(%s)"
        )
        unnamed = "Cluster " + clusters["cluster_id"].astype(str)
        named = _names(connection, "insights.cluster_profiles", names, clusters["cluster_id"])
        clusters["cluster_name"] = named.fillna(unnamed)
    return clusters


def _sampled_artists(connection: Connection, run_id: int) -> pd.DataFrame:
    points = pd.DataFrame(
        _read(
            connection,
            """
            select
                numbered.artist_uri,
                numbered.cluster_id,
                numbered.playlist_appearances,
                numbered.avg_followers
            from (
                select
                    clusters.artist_uri,
                    clusters.cluster_id,
                    artists.playlist_appearances,
                    artists.avg_followers,
                    row_number() over (
                        partition by clusters.cluster_id order by md5(clusters.artist_uri)
                    ) as position
                from ml.artist_clusters as clusters
                inner join features.artist_features as artists on clusters.artist_uri = artists.artist_uri
                where clusters.run_id = %s
            ) as numbered
            where numbered.position <= %s
            order by numbered.cluster_id, numbered.position
            """,
            [run_id, _POINTS_A_CLUSTER],
        )
    )
    names = "select artist_uri as key, artist_name as name from marts.artists where artist_uri = any(%s)"
    points["name"] = _names(connection, "marts.artists", names, points["artist_uri"])
    return points


def _names(connection: Connection, relation: str, query: LiteralString, keys: pd.Series) -> pd.Series:
    found = _read(connection, query, [keys.to_list()]) if _exists(connection, relation) else []
    return keys.map({row["key"]: row["name"] for row in found}).astype(object)


def _playlist_recommendations(connection: Connection) -> list[Row]:
    if not _exists(connection, "insights.playlist_recommendations"):
        return []
    return _read(
        connection,
        """
        select pid, name, action, current_value, suggested_value, unit, expected_gain_pct, reason
        from (select distinct recommendation from insights.playlist_recommendations) as kinds
        cross join lateral (
            select *
            from insights.playlist_recommendations as recommendations
            where recommendations.recommendation = kinds.recommendation
            order by priority_score desc, log_gap desc, pid
            limit %s
        ) as first_of_each
        order by kinds.recommendation, priority_score desc, log_gap desc, pid
        """,
        [_ROWS_A_RECOMMENDATION],
    )


def _artist_recommendations(connection: Connection) -> list[Row]:
    if not _exists(connection, "insights.artist_recommendations"):
        return []
    return _read(
        connection,
        """
        select artist_uri, artist_name, recommendation, score, reason
        from (
            select
                *,
                row_number() over (partition by recommendation order by score desc, artist_uri) as position
            from insights.artist_recommendations
        ) as numbered
        where position <= %s
        order by recommendation, position
        """,
        [_ROWS_A_RECOMMENDATION],
    )


def _loaded(connection: Connection) -> dict[str, int]:
    counts: dict[str, int] = _read(
        connection,
        """
        select
            count(*) filter (where outcome = 'landed') as "slices landed",
            count(*) filter (where outcome = 'refused') as "slices refused",
            (select count(*) from staging.playlists where superseded_at is null) as "playlists landed",
            (select count(*) from staging.open_rejects) as "playlists refused"
        from staging.slices
        """,
    )[0]
    if not any(counts.values()):
        return {}
    if _exists(connection, "insights.overview"):
        # What was repaired and loaded again since is not refused any more.
        counts |= _read(
            connection,
            'select slices_refused as "slices refused", playlists_rejected as "playlists refused"'
            " from insights.overview",
        )[0]
    for mart in ("tracks", "albums", "artists", "playlist_tracks"):
        if _exists(connection, f"marts.{mart}"):
            query = sql.SQL("select count(*) as rows from {}").format(sql.Identifier("marts", mart))
            counts[mart.replace("playlist_tracks", "tracks on playlists")] = _read(connection, query)[0]["rows"]
    return counts


def _as_of(connection: Connection) -> datetime | None:
    # Not the clock: a report on the same data is the same file.
    query: LiteralString = (
        "select greatest((select max(finished_at) from staging.slices), (select max(finished_at) from ml.model_runs))"
        " as at"
    )
    at: datetime | None = _read(connection, query)[0]["at"]
    return at


def _synthetic(connection: Connection) -> Row:
    """Count the playlists that the generator made, beside all."""
    query: LiteralString = """
        select
            count(*) filter (where slices.info ->> 'version' like 'synthetic%%') as made,
            count(*) as playlists
        from staging.playlists
        inner join staging.slices on playlists.slice_id = slices.slice_id
        where playlists.superseded_at is null
    """
    return _read(connection, query)[0]


def _runs(connection: Connection, model: str) -> tuple[Row | None, Row | None]:
    """Return the run that serves, and the last attempt if it failed after that."""
    columns: LiteralString = (
        "select run_id, trigger, status, finished_at, rows_read, features_sha256, library_versions, error, champion,"
        " extract(epoch from finished_at - started_at)::float8 as seconds from ml.model_runs where model = %s"
    )
    serving = _read(connection, columns + " and serving", [model])
    ended = _read(connection, columns + " and status <> 'running' order by run_id desc limit 1", [model])
    failure = ended[0] if ended and ended[0]["status"] == "failed" else None
    return (serving[0] if serving else None), failure


def _metrics(connection: Connection, run_id: int, candidate: str | None = None) -> Metrics:
    rows = _read(
        connection,
        "select metric, scale, split, value from ml.model_metrics"
        " where run_id = %s and candidate is not distinct from %s",
        [run_id, candidate],
    )
    return {(row["metric"], row["scale"], row["split"]): row["value"] for row in rows}


def _exists(connection: Connection, relation: str) -> bool:
    return bool(_read(connection, "select to_regclass(%s) is not null as found", [relation])[0]["found"])


def _read(
    connection: Connection, query: LiteralString | sql.Composed, parameters: list[Any] | tuple[()] = ()
) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters).fetchall()


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "colour": charts.cluster_colour,
        "feature": charts.feature_label,
        "number": format_number,
        "measure": format_measure,
        "percent": format_share,
        "when": lambda time: f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        "words": lambda code: str(code).replace("_", " "),
    }
    return environment.get_template("report.html")


def _as_json(figure: go.Figure) -> Markup:
    # Plotly writes `<`, `>` and `/` as escapes, so that no name in a figure can end the script element around it.
    return Markup(figure.to_json())  # noqa: S704 - escaped for scripts, as said above


def _content_hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def candidate_label(candidate: str) -> str:
    """Return the name of a candidate, or of a constant answer, as a person would say it."""
    return _CANDIDATES.get(candidate, candidate)
