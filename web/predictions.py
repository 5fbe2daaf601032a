"""What the serving models say of what is not in the database, or is not so yet."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import flask
import pandas as pd

from python_ml import artist_trends, model_store, playlist_popularity
from python_ml.errors import ModelUnusable
from web.database import warehouse
from web.problems import Conflict

SECONDS_A_DAY = 86_400
_IN_WORDS = {"playlist_popularity": "playlist popularity", "artist_trends": "artist trends"}

Name = Literal["playlist_popularity", "artist_trends"]


@dataclass(frozen=True)
class ServingModel:
    """The model that serves.

    Attributes:
        run_id: The training that made it.
        candidate: What kind of model it is, such as `two_part`.
        model: As `model_store.load` returns it.
    """

    run_id: int
    candidate: str
    model: dict[str, Any]


@dataclass(frozen=True)
class _Models:
    """Those that an application has read."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    by_name: dict[Name, ServingModel] = field(default_factory=dict)


def serving_model(name: Name) -> ServingModel:
    """Return the model that serves, read once.

    Raises:
        Conflict: None serves, or the one that does cannot be used.
    """
    row = warehouse().row("serving_model", model=name)
    if row is None:
        raise Conflict(f"No model of {_IN_WORDS[name]} serves yet. Start a training, or run: mixhouse train")
    models: _Models = flask.current_app.extensions.setdefault("models", _Models())
    # One thread reads it, and the others wait for that.
    with models.lock:
        known = models.by_name.get(name)
        if known is None or known.run_id != row["run_id"]:
            known = models.by_name[name] = ServingModel(row["run_id"], row["champion"], _read(row["run_id"]))
    return known


def predict_playlist(features: Mapping[str, float], serving: ServingModel | None = None) -> dict[str, Any]:
    """Predict the followers of a playlist, and how sure that is.

    Args:
        features: Values of `playlist_popularity.ALL_FEATURES`; booleans are 0 or 1.
        serving: The model, if it is at hand.

    Returns:
        `predicted_followers` (float), `interval_low` and `interval_high` (int), and `confidence_score` (float), as
        `playlist_popularity.score` has them.

    Raises:
        Conflict: As `serving_model`.
    """
    frame = pd.DataFrame([dict(features)], columns=list(playlist_popularity.ALL_FEATURES), dtype="float64")
    serving = serving or serving_model("playlist_popularity")
    scored = playlist_popularity.score(serving.model, frame).iloc[0]
    return {
        "predicted_followers": float(scored["predicted_followers"]),
        "interval_low": int(scored["interval_low"]),
        "interval_high": int(scored["interval_high"]),
        "confidence_score": float(scored["confidence_score"]),
    }


def playlist_features(
    *,
    name: str,
    description: str | None,
    collaborative: bool,
    num_tracks: int,
    num_artists: int,
    num_albums: int,
    duration_ms: int,
    num_edits: int,
    modified_at: int,
) -> dict[str, float]:
    """Return what a playlist with this metadata would have in `features.playlist_features`.

    No track is in it twice, and the number of artists that it declares is right.

    Args:
        name: As its creator wrote it.
        description: Likewise; None or empty if there is none.
        collaborative: Whether several people may edit it.
        num_tracks: At least 1.
        num_artists: At least 1.
        num_albums: At least 1.
        duration_ms: Of all tracks, in milliseconds.
        num_edits: Editing sessions.
        modified_at: Seconds from 1970-01-01 UTC.

    Raises:
        NotBuilt: What a title says is not known yet.
    """
    [title] = warehouse().rows("title_features", title=name)
    return {
        "num_tracks": num_tracks,
        "num_artists": num_artists,
        "num_albums": num_albums,
        "duration_ms": duration_ms,
        "collaborative": float(collaborative),
        "tracks_per_artist": num_tracks / num_artists,
        "avg_tracks_per_album": num_tracks / num_albums,
        "avg_track_duration": duration_ms / num_tracks,
        "unique_artists": num_artists,
        "has_description": float(bool(description)),
        "num_edits": num_edits,
        "modified_day": modified_at // SECONDS_A_DAY,
        "title_words": title["title_words"],
        "title_length": title["title_length"],
        "genre_number": title["genre_number"],
        "repeated_share": 0.0,
    }


def assign_artist(
    serving: ServingModel, *, playlist_appearances: int, avg_followers: float, track_count: int
) -> tuple[int, float]:
    """Say in which cluster of a model of artist trends an artist with these numbers is, and how typical of it.

    Returns:
        `cluster_id` and `similarity_score`, as `artist_trends.assign` has them.
    """
    features = {
        "playlist_appearances": playlist_appearances,
        "avg_followers": avg_followers,
        "track_count": track_count,
        "followers_per_playlist": avg_followers / playlist_appearances,
        "tracks_per_playlist": track_count / playlist_appearances,
    }
    frame = pd.DataFrame([features], columns=list(artist_trends.FEATURES), dtype="float64")
    assigned = artist_trends.assign(serving.model, frame).iloc[0]
    return int(assigned["cluster_id"]), float(assigned["similarity_score"])


def _read(run_id: int) -> dict[str, Any]:
    with warehouse().connection() as connection:
        # The store speaks psycopg.
        driver: Any = connection.connection.driver_connection
        try:
            return model_store.load(driver, run_id)
        except ModelUnusable as error:
            raise Conflict(f"The model cannot be used: {error}") from error
