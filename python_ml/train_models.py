"""Train the models: read a snapshot of the features, fit, measure, publish, and log every attempt."""

import json
import logging
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from time import monotonic
from typing import Any, Protocol

import pandas as pd
from psycopg import Connection

from python_ml import artist_trends, evaluation, features, playlist_popularity
from python_ml.errors import NotEnoughData, TrainingInProgress
from python_ml.results import Results, publish

logger = logging.getLogger(__name__)

# "mixhouse" in ASCII, so that the lock is unlikely to be that of another application in the same database.
TRAINING_LOCK = int.from_bytes(b"mixhouse")
LIBRARIES = ("mixhouse", "numpy", "pandas", "scikit-learn", "scipy")


class Connect(Protocol):
    """Opens a connection to the warehouse, as `warehouse.database.connect` does."""

    def __call__(self, *, autocommit: bool = False) -> Connection:
        """Return an open connection."""


@dataclass(frozen=True)
class RunOutcome:
    """How one attempt to train one model ended; `error` is None when its results serve now."""

    model: str
    run_id: int
    seconds: float
    rows_read: int | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class _Model:
    read: Callable[[Connection], pd.DataFrame]
    find: Callable[[pd.DataFrame], Results]
    params: Callable[[], dict[str, Any]]


def train(
    connect: Connect, *, trigger: str, models: Sequence[str] = (), skip_current: bool = False
) -> list[RunOutcome]:
    """Train models, one after the other; one that fails does not stop the next, and its previous results keep serving.

    Args:
        connect: Opens a connection to the warehouse.
        trigger: Why this training runs, such as `demand` or `build`; it is logged with the run.
        models: Which of `MODELS`, in which order; all when empty.
        skip_current: Leave out those whose results would not change (see `is_current`).

    Returns:
        One outcome a trained model, in order; look at `error` of each.

    Raises:
        FeaturesMissing: the features do not exist yet; only if `skip_current`, else it is an outcome.
        TrainingInProgress: another session is training in this database.
        psycopg.OperationalError: the database could not be reached to log the runs.
    """
    with connect(autocommit=True) as connection:

        def due() -> list[str]:
            return [model for model in models or MODELS if not (skip_current and is_current(connection, model))]

        try:
            with _only_training(connection):
                _close_abandoned(connection)
                return [_train_one(connect, connection, model, trigger) for model in due()]
        except TrainingInProgress:
            # Who needs nothing does not mind that another session trains.
            if due():
                raise
            return []


def is_current(connection: Connection, model: str) -> bool:
    """Say whether training again would give the results that serve already.

    Returns:
        True if the serving run of the model was fitted on exactly the features of now, with the same parameters and
        library versions.

    Raises:
        FeaturesMissing: the features do not exist yet.
    """
    serving = connection.execute(
        "select features_sha256, params, library_versions from ml.model_runs where model = %s and serving", [model]
    ).fetchone()
    if serving is None or serving[1:] != (MODELS[model].params(), library_versions()):
        return False
    return bool(serving[0] == features.digest(MODELS[model].read(connection)))


def library_versions() -> dict[str, str]:
    """Return the versions of what the numbers depend on, by distribution name, and of Python."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def _train_one(connect: Connect, connection: Connection, name: str, trigger: str) -> RunOutcome:
    started = monotonic()
    model = MODELS[name]
    run_id = _start_run(connection, name, trigger, model.params())
    logger.info("model=%s run_id=%d trigger=%s status=running", name, run_id, trigger)
    try:
        with connection.transaction():
            connection.execute("set transaction isolation level repeatable read, read only")
            frame = model.read(connection)
        publish(connection, run_id, name, model.find(frame), features.digest(frame))
    except BaseException as error:
        # On a connection of its own: an interrupt or a lost server leaves the other one unusable.
        with connect(autocommit=True) as other:
            _fail_run(other, run_id, str(error) or type(error).__name__)
        if not isinstance(error, Exception):
            raise
        level = logging.WARNING if isinstance(error, NotEnoughData) else logging.ERROR
        logger.log(level, "model=%s run_id=%d status=failed error=%r", name, run_id, str(error))
        return RunOutcome(name, run_id, monotonic() - started, error=error)
    seconds = monotonic() - started
    logger.info("model=%s run_id=%d status=succeeded rows=%d seconds=%.1f", name, run_id, len(frame), seconds)
    return RunOutcome(name, run_id, seconds, rows_read=len(frame))


@contextmanager
def _only_training(connection: Connection) -> Iterator[None]:
    row = connection.execute("select pg_try_advisory_lock(%s)", [TRAINING_LOCK]).fetchone()
    if row != (True,):
        raise TrainingInProgress("another session is training the models of this database; try again when it is done")
    try:
        yield
    finally:
        # A lost connection has lost the lock as well.
        if not connection.broken:
            connection.execute("select pg_advisory_unlock(%s)", [TRAINING_LOCK])


def _close_abandoned(connection: Connection) -> None:
    # Whoever holds the lock is the only one training, so a run that still says so has lost its process.
    abandoned = connection.execute(
        "update ml.model_runs"
        " set status = 'failed', finished_at = clock_timestamp(), error = 'the process that trained it ended early'"
        " where status = 'running' returning run_id"
    ).fetchall()
    for (run_id,) in abandoned:
        logger.warning("run_id=%d status=failed error='the process that trained it ended early'", run_id)


def _start_run(connection: Connection, model: str, trigger: str, params: dict[str, Any]) -> int:
    rows = connection.execute(
        "insert into ml.model_runs (model, trigger, status, params, library_versions)"
        " values (%s, %s, 'running', %s, %s) returning run_id",
        [model, trigger, json.dumps(params), json.dumps(library_versions())],
    ).fetchall()
    return int(rows[0][0])


def _fail_run(connection: Connection, run_id: int, error: str) -> None:
    connection.execute(
        "update ml.model_runs set status = 'failed', finished_at = clock_timestamp(), error = %s"
        " where run_id = %s and status = 'running'",
        [error, run_id],
    )


def _popularity_results(frame: pd.DataFrame) -> Results:
    model = playlist_popularity.fit(frame)
    rows = playlist_popularity.predict(model, frame)
    metrics = evaluation.popularity_metrics(
        frame[playlist_popularity.TARGET], rows["predicted_followers"], model.train_pids, model.test_pids
    )
    return Results(rows, metrics, {"impurity": playlist_popularity.importances(model)})


def _popularity_params() -> dict[str, Any]:
    return {
        "estimator": "RandomForestRegressor",
        "estimator_params": playlist_popularity.estimator().get_params(),
        "features": list(playlist_popularity.FEATURES),
        "target": playlist_popularity.TARGET,
        "test_size": playlist_popularity.TEST_SIZE,
        "split_seed": playlist_popularity.SEED,
    }


def _trends_results(frame: pd.DataFrame) -> Results:
    trends = artist_trends.train(frame, None)
    return Results(trends.clusters, trends.metrics)


def _trends_params() -> dict[str, Any]:
    return {
        "estimator": "KMeans",
        "estimator_params": artist_trends.estimator().get_params(),
        "scaler": "StandardScaler",
        "features": list(artist_trends.FEATURES),
        "silhouette_sample": evaluation.SILHOUETTE_SAMPLE,
        "stability_repeats": evaluation.STABILITY_REPEATS,
        "stability_share": evaluation.STABILITY_SHARE,
        "cluster_choices": list(artist_trends.CLUSTER_CHOICES),
        "clear_silhouette_gain": artist_trends.CLEAR_SILHOUETTE_GAIN,
        "min_stability": artist_trends.MIN_STABILITY,
        "most_in_one_cluster": artist_trends.MOST_IN_ONE_CLUSTER,
    }


MODELS = {
    playlist_popularity.MODEL: _Model(features.playlist_features, _popularity_results, _popularity_params),
    artist_trends.MODEL: _Model(features.artist_features, _trends_results, _trends_params),
}
