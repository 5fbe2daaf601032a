"""Predictions of the serving model for what is not in the database, or is not so yet."""

import threading
from collections.abc import Mapping
from typing import Any

import pandas as pd

from python_ml import model_store, playlist_popularity
from python_ml.errors import ModelUnusable
from web.database import warehouse
from web.problems import Conflict

_lock = threading.Lock()
_models: dict[int, dict[str, Any]] = {}


def predict_playlist(features: Mapping[str, float]) -> dict[str, Any]:
    """Predict the followers of a playlist, and how sure that is.

    Args:
        features: Values of `playlist_popularity.ALL_FEATURES`; booleans are 0 or 1.

    Returns:
        `predicted_followers` (float), `interval_low` and `interval_high` (int), and `confidence_score` (float), as
        `playlist_popularity.score` has them.

    Raises:
        Conflict: No model serves, or the one that does cannot be read.
    """
    frame = pd.DataFrame([dict(features)], columns=list(playlist_popularity.ALL_FEATURES), dtype="float64")
    scored = playlist_popularity.score(_serving_model(), frame).iloc[0]
    return {
        "predicted_followers": float(scored["predicted_followers"]),
        "interval_low": int(scored["interval_low"]),
        "interval_high": int(scored["interval_high"]),
        "confidence_score": float(scored["confidence_score"]),
    }


def _serving_model() -> dict[str, Any]:
    serving = warehouse().row("model_of_playlists")
    if serving is None:
        raise Conflict("No model of playlist popularity serves yet. Start a training, or run: mixhouse train")
    run_id = int(serving["run_id"])
    # One thread reads it, and the others wait for that.
    with _lock:
        if run_id not in _models:
            with warehouse().connection() as connection:
                # The store speaks psycopg.
                driver: Any = connection.connection.driver_connection
                try:
                    model = model_store.load(driver, run_id)
                except ModelUnusable as error:
                    raise Conflict(f"The model cannot be used: {error}") from error
            _models.clear()
            _models[run_id] = model
        return _models[run_id]
