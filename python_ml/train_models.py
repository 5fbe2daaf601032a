"""Train models and score with them: read a snapshot of the features, fit, measure, publish, and log every attempt.

When which of the two is due is decided in `python_ml.model_manager`.
"""

import json
import logging
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import pandas as pd
from psycopg import Connection

from python_ml import artist_trends, cluster_evaluation, features, model_store, playlist_popularity
from python_ml.errors import NotEnoughData, TrainingInProgress
from python_ml.features import FeatureView
from python_ml.results import Results, prune, publish, publish_scores

logger = logging.getLogger(__name__)

# "mixhouse" in ASCII, so that the lock is unlikely to be that of another application in the same database.
TRAINING_LOCK = int.from_bytes(b"mixhouse")
ENDED_EARLY = "its process ended early"
"""What is said of a run whose process was killed."""
LIBRARIES = ("mixhouse", "numpy", "pandas", "scikit-learn", "scipy")


class Connect(Protocol):
    """Opens a connection to the warehouse, as `warehouse.database.connect` does."""

    def __call__(self, *, autocommit: bool = False) -> Connection:
        """Return an open connection."""


@dataclass(frozen=True)
class RunOutcome:
    """How one run of one model ended; `error` is None when its results serve now."""

    model: str
    run_id: int
    seconds: float
    rows_read: int | None = None
    error: Exception | None = None
    scored_with: int | None = None


@dataclass(frozen=True)
class Model:
    """What is needed to train a model and to score with it.

    Attributes:
        view: The features that it is fitted on.
        fit: Finds the results; it is given the features, and a connection to see what serves now.
        score: Gives what the model that serves says of features: rows as in `Results`. It is given the model, the
            features, and a connection to see what the model was fitted on.
        params: What decides the results, besides the features and the libraries.
    """

    view: FeatureView
    fit: Callable[[pd.DataFrame, Connection], Results]
    score: Callable[[Mapping[str, Any], pd.DataFrame, Connection], pd.DataFrame]
    params: Callable[[], dict[str, Any]]


def library_versions() -> dict[str, str]:
    """Return the versions of what the numbers depend on, by distribution name, and of Python."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def code_version() -> str | None:
    """Return the commit of the code; None where it does not run from a git checkout."""
    root = Path(__file__).resolve().parent.parent
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    found = subprocess.run(  # noqa: S603 - of no input but our own folder
        [git, "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or None


@contextmanager
def only_training(connection: Connection) -> Iterator[None]:
    """Hold the lock of trainings, and mark as failed the runs whose process is gone.

    Raises:
        TrainingInProgress: another session holds it.
    """
    row = connection.execute("select pg_try_advisory_lock(%s)", [TRAINING_LOCK]).fetchone()
    if row != (True,):
        raise TrainingInProgress("another session is training the models of this database; try again when it is done")
    try:
        _close_abandoned(connection)
        yield
    finally:
        # A lost connection has lost the lock as well.
        if not connection.broken:
            connection.execute("select pg_advisory_unlock(%s)", [TRAINING_LOCK])


def train(connect: Connect, connection: Connection, name: str, trigger: str, reason: str) -> RunOutcome:
    """Train one model on the features of now, and let it serve. What goes wrong is in the outcome and in the log.

    Args:
        connect: Opens another connection, to tell of a failure that made this one unusable.
        connection: In autocommit, holding the lock of trainings (`only_training`).
        name: Which of `MODELS`.
        trigger: What started it, such as `demand` or `build`.
        reason: Why it is due, in words.
    """
    model = MODELS[name]

    def work(run_id: int, phases: _Phases) -> int:
        with _snapshot(connection), phases.time("read"):
            found = features.read(connection, model.view)
        with phases.time("fit"):
            results = model.fit(found.frame, connection)
        rows = results.rows.assign(features_digest=found.digests)
        sha256 = features.digest(found.frame)
        publish(
            connection,
            run_id,
            name,
            replace(results, rows=rows),
            features_sha256=sha256,
            phase_seconds=phases.seconds,
        )
        prune(connection, name)
        return len(rows)

    return _run(connect, connection, name, trigger, reason, None, work)


def score(connect: Connect, connection: Connection, name: str, trigger: str, reason: str) -> RunOutcome:
    """Score with the model that serves what is new or changed. As `train`; the model keeps serving."""
    model = MODELS[name]
    [(serving,)] = connection.execute(
        "select run_id from ml.model_runs where model = %s and serving", [name]
    ).fetchall()

    def work(run_id: int, phases: _Phases) -> int:
        with _snapshot(connection), phases.time("read"):
            found = features.read(connection, model.view, only_unprocessed=True)
        with phases.time("score"):
            rows = model.score(model_store.load(connection, serving), found.frame, connection)
        rows = rows.assign(features_digest=found.digests)
        publish_scores(connection, run_id, name, rows, phase_seconds=phases.seconds)
        return len(rows)

    return _run(connect, connection, name, trigger, reason, serving, work)


class _Phases:
    """How long each phase of a run took, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def time(self, phase: str) -> Iterator[None]:
        started = monotonic()
        yield
        self.seconds[phase] = round(monotonic() - started, 3)


@contextmanager
def _snapshot(connection: Connection) -> Iterator[None]:
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        yield


def _run(
    connect: Connect,
    connection: Connection,
    name: str,
    trigger: str,
    reason: str,
    scored_with: int | None,
    work: Callable[[int, _Phases], int],
) -> RunOutcome:
    """Do the work of a run, logged from start to end."""
    started = monotonic()
    run_id = _start_run(connection, name, trigger, reason, scored_with)
    logger.info("event=run model=%s run_id=%d trigger=%s scored_with=%s", name, run_id, trigger, scored_with)
    try:
        rows = work(run_id, _Phases())
    except BaseException as error:
        # On a connection of its own: an interrupt or a lost server leaves the other one unusable.
        with connect(autocommit=True) as other:
            _fail_run(other, run_id, str(error) or type(error).__name__)
        if not isinstance(error, Exception):
            raise
        level = logging.WARNING if isinstance(error, NotEnoughData) else logging.ERROR
        logger.log(level, "event=run model=%s run_id=%d status=failed error=%r", name, run_id, str(error))
        return RunOutcome(name, run_id, monotonic() - started, error=error, scored_with=scored_with)
    seconds = monotonic() - started
    logger.info("event=run model=%s run_id=%d status=succeeded rows=%d seconds=%.1f", name, run_id, rows, seconds)
    return RunOutcome(name, run_id, seconds, rows_read=rows, scored_with=scored_with)


def _close_abandoned(connection: Connection) -> None:
    # Whoever holds the lock is the only one training, so a run that still says so has lost its process.
    abandoned = connection.execute(
        "update ml.model_runs"
        " set status = 'failed', finished_at = clock_timestamp(), error = %s where status = 'running' returning run_id",
        [ENDED_EARLY],
    ).fetchall()
    for (run_id,) in abandoned:
        logger.warning("event=run run_id=%d status=failed error=%r", run_id, ENDED_EARLY)


def _start_run(connection: Connection, model: str, trigger: str, reason: str, scored_with: int | None) -> int:
    rows = connection.execute(
        "insert into ml.model_runs"
        " (model, trigger, reason, scored_with, status, params, library_versions, code_version)"
        " values (%s, %s, %s, %s, 'running', %s, %s, %s) returning run_id",
        [
            model,
            trigger,
            reason,
            scored_with,
            json.dumps(MODELS[model].params()),
            json.dumps(library_versions()),
            code_version(),
        ],
    ).fetchall()
    return int(rows[0][0])


def _fail_run(connection: Connection, run_id: int, error: str) -> None:
    connection.execute(
        "update ml.model_runs set status = 'failed', finished_at = clock_timestamp(), error = %s"
        " where run_id = %s and status = 'running'",
        [error, run_id],
    )


def _popularity_results(frame: pd.DataFrame, connection: Connection) -> Results:
    row = connection.execute(
        "select champion from ml.model_runs where model = %s and serving", [playlist_popularity.MODEL]
    ).fetchone()
    found = playlist_popularity.train(frame, row[0] if row else None)
    return Results(found.champion, found.model, found.predictions, found.metrics, found.importances)


def _popularity_scores(model: Mapping[str, Any], frame: pd.DataFrame, connection: Connection) -> pd.DataFrame:
    # A playlist that has changed is one that the model was fitted on, if its earlier version was.
    seen = connection.execute(
        "select pid from ml.playlist_predictions inner join ml.model_runs using (run_id)"
        " where model = %s and serving and not is_held_out and pid = any(%s)",
        [playlist_popularity.MODEL, frame.index.to_list()],
    ).fetchall()
    scores = playlist_popularity.score(model, frame)
    return scores.assign(is_held_out=~frame.index.isin([pid for (pid,) in seen]))


def _trends_results(frame: pd.DataFrame, connection: Connection) -> Results:
    previous = connection.execute("select artist_uri, cluster_id from ml.serving_clusters").fetchall()
    found = artist_trends.train(frame, pd.Series(dict(previous)) if previous else None)
    return Results(found.champion, found.model, found.clusters, found.metrics)


def _trends_scores(model: Mapping[str, Any], frame: pd.DataFrame, _: Connection) -> pd.DataFrame:
    return artist_trends.assign(model, frame)


def _trends_params() -> dict[str, Any]:
    return {
        "estimator": "KMeans",
        "estimator_params": artist_trends.estimator().get_params(),
        "scaler": "StandardScaler",
        "features": list(artist_trends.FEATURES),
        "silhouette_sample": cluster_evaluation.SILHOUETTE_SAMPLE,
        "stability_repeats": cluster_evaluation.STABILITY_REPEATS,
        "stability_share": cluster_evaluation.STABILITY_SHARE,
        "cluster_choices": list(artist_trends.CLUSTER_CHOICES),
        "clear_silhouette_gain": artist_trends.CLEAR_SILHOUETTE_GAIN,
        "min_stability": artist_trends.MIN_STABILITY,
        "most_in_one_cluster": artist_trends.MOST_IN_ONE_CLUSTER,
    }


MODELS = {
    playlist_popularity.MODEL: Model(
        features.PLAYLISTS, _popularity_results, _popularity_scores, playlist_popularity.params
    ),
    artist_trends.MODEL: Model(features.ARTISTS, _trends_results, _trends_scores, _trends_params),
}
