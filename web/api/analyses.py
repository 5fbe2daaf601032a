"""The two analyses: of a playlist, how many followers it would have; of an artist, which kind of artist it is."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self, cast

import flask
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from web.api.artists import Cluster
from web.api.resource import INT4, MOST_JSON_BYTES, UNSENT, ArtistUri, Pid, Problem, Text, answer, blueprint
from web.database import Row, warehouse
from web.predictions import assign_artist, playlist_features, predict_playlist, serving_model
from web.problems import Conflict, NotFound

analyses = blueprint("analyses", "Analyses", "What the models say of playlists and artists.")


@analyses.before_request
def _keep_small() -> None:
    flask.request.max_content_length = MOST_JSON_BYTES


def _exactly_one(*names: str, examples: dict[str, Any]) -> ConfigDict:
    """Return the configuration of a body that has one of these fields and not the other."""

    def describe(schema: dict[str, Any]) -> None:
        for name in names:
            schema["properties"][name].pop("default", None)
        schema["oneOf"] = [{"required": [name]} for name in names]

    config: Any = ConfigDict(extra="forbid", strict=True, json_schema_extra=describe)
    # A key of flask-openapi3, of which pydantic knows nothing.
    config["openapi_extra"] = {"examples": {name: {"value": value} for name, value in examples.items()}}
    return cast("ConfigDict", config)


def _require_one(model: BaseModel) -> None:
    names = list(type(model).model_fields)
    if len(model.model_fields_set) != 1:
        raise PydanticCustomError("exactly_one", f"give {names[0]} or {names[1]}, and not both")


def _unquoted(value: object) -> object:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


_IN_QUOTES_OR_NOT = WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["true", "false"]}]})


class PlaylistMetadata(BaseModel):
    """A playlist that need not be in the database, in the terms of the Million Playlist Dataset."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[Text, Field(min_length=1, max_length=1_000)] = Field(description="Its title.")
    description: Annotated[Text, Field(max_length=10_000)] | None = Field(
        default=None, description="Its description, if it has one."
    )
    collaborative: Annotated[bool, BeforeValidator(_unquoted), _IN_QUOTES_OR_NOT] = Field(
        default=False, description="Whether several people may edit it; also as the dataset writes it, in quotes."
    )
    num_tracks: int = Field(ge=1, le=1_000_000)
    num_artists: int = Field(ge=1, le=1_000_000, description="Different artists.")
    num_albums: int = Field(ge=1, le=1_000_000, description="Different albums.")
    duration_ms: int = Field(ge=0, le=2**53 - 1, description="Of all tracks, in milliseconds.")
    num_edits: int = Field(default=1, ge=1, le=INT4, description="Editing sessions.")
    modified_at: Annotated[int, Field(ge=0, le=253_402_300_799)] | None = Field(
        default=None,
        description="When it was changed last, in seconds from 1970-01-01 UTC; if it is not given, when the newest "
        "playlist of the warehouse was.",
    )


_PLAYLIST = {
    "name": "Late Night Rock",
    "collaborative": "false",
    "num_tracks": 60,
    "num_artists": 40,
    "num_albums": 52,
    "duration_ms": 14_400_000,
    "num_edits": 12,
    "modified_at": 1_508_976_000,
}


class PlaylistQuestion(BaseModel):
    """Which playlist: one of the database, by its number, or any other, by its metadata."""

    model_config = _exactly_one(
        "playlist_id",
        "metadata",
        examples={"by number": {"playlist_id": 0}, "by metadata": {"metadata": _PLAYLIST}},
    )

    playlist_id: Pid = Field(default=UNSENT)
    metadata: PlaylistMetadata = Field(default=UNSENT)

    @model_validator(mode="after")
    def _one(self) -> Self:
        _require_one(self)
        return self


class PlaylistAnalysis(BaseModel):
    """How many followers a playlist would have, for what the model knows of it."""

    predicted_followers: float = Field(description="What playlists like it have on average; at least 1.")
    feature_importance: dict[str, float] = Field(
        description="By feature that the model reads: how much larger its error (RMSE on log1p of followers) gets when "
        "the feature is shuffled among held-out playlists. Negative where shuffling helped by chance."
    )
    confidence_score: float = Field(
        ge=0, le=1, description="The chance that the followers lie within a factor of two of the prediction."
    )
    interval_low: int = Field(description="With `interval_high`: what at least 80 % of such playlists have.")
    interval_high: int
    playlist_id: int | None = Field(description="Null for a playlist described by its metadata.")
    num_followers: int | None = Field(description="What it has; null if that is not known.")
    run_id: int = Field(description="The training whose model says so: `GET /model_runs/{run_id}`.")
    model: str = Field(description="The kind of model that won the comparison and serves.")
    source: Literal["stored", "live"] = Field(
        description="`stored`: as the marts have it. `live`: predicted for this request."
    )
    predicted_at: datetime | None = Field(description="When, if it is stored.")


@analyses.post(
    "/analyze_playlist",
    summary="Predict the followers of a playlist",
    responses={200: PlaylistAnalysis, 404: Problem, 409: Problem},
)
def analyze_playlist(body: PlaylistQuestion) -> flask.Response:
    """By `playlist_id`, what the marts have; by `metadata`, what the serving model predicts now.

    404 for a number that no playlist has, 409 as long as nothing is trained and built.
    """
    if body.metadata is not None:
        return answer(_predicted(body.metadata))
    row = warehouse().row("playlist_prediction", pid=body.playlist_id)
    if row is None:
        raise NotFound(f"There is no playlist {body.playlist_id}.")
    importances = warehouse().cached("built_importances")
    if not importances or row["predicted_followers"] is None:
        raise Conflict("No model has scored this playlist yet. Start a training, or run: mixhouse train")
    return answer(
        PlaylistAnalysis(
            **row,
            feature_importance=_by_feature(importances),
            run_id=importances[0]["run_id"],
            model=importances[0]["champion"],
            source="stored",
        )
    )


def _predicted(metadata: PlaylistMetadata) -> PlaylistAnalysis:
    serving = serving_model("playlist_popularity")
    modified_at = metadata.modified_at
    if modified_at is None:
        newest = warehouse().cached("overview")[0]["newest_modified_at"]
        modified_at = 0 if newest is None else int(newest.timestamp())
    features = playlist_features(
        name=metadata.name,
        description=metadata.description,
        collaborative=metadata.collaborative,
        num_tracks=metadata.num_tracks,
        num_artists=metadata.num_artists,
        num_albums=metadata.num_albums,
        duration_ms=metadata.duration_ms,
        num_edits=metadata.num_edits,
        modified_at=modified_at,
    )
    return PlaylistAnalysis(
        **predict_playlist(features, serving),
        feature_importance=_by_feature(warehouse().cached("permutation_importances", run_id=serving.run_id)),
        playlist_id=None,
        num_followers=None,
        run_id=serving.run_id,
        model=serving.candidate,
        source="live",
        predicted_at=None,
    )


def _by_feature(rows: Sequence[Row]) -> dict[str, float]:
    return {row["feature"]: row["importance"] for row in rows}


class ArtistMetrics(BaseModel):
    """An artist that need not be in the database, by how playlists use it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    playlist_appearances: int = Field(ge=1, le=INT4, description="Playlists that carry the artist.")
    avg_followers: float = Field(ge=0, le=1e12, allow_inf_nan=False, description="Of those playlists, on average.")
    track_count: int = Field(ge=1, le=INT4, description="Different tracks of the artist in them.")


class ArtistQuestion(BaseModel):
    """Which artist: one of the database, by its URI, or any other, by its metrics."""

    model_config = _exactly_one(
        "artist_id",
        "metrics",
        examples={
            "by URI": {"artist_id": "spotify:artist:0000000000000000000001"},
            "by metrics": {"metrics": {"playlist_appearances": 120, "avg_followers": 4.5, "track_count": 14}},
        },
    )

    artist_id: ArtistUri = Field(default=UNSENT)
    metrics: ArtistMetrics = Field(default=UNSENT)

    @model_validator(mode="after")
    def _one(self) -> Self:
        _require_one(self)
        return self


class ArtistAnalysis(BaseModel):
    """Which kind of artist it is."""

    cluster_id: int
    cluster_characteristics: Cluster
    similarity_score: float = Field(
        ge=0, le=1, description="How typical of its cluster: the share of its other artists that are less so."
    )
    artist_id: str | None = Field(description="Null for an artist described by its metrics.")
    artist_name: str | None
    run_id: int = Field(description="The training whose model says so: `GET /model_runs/{run_id}`.")
    model: str = Field(description="The kind of model that won the comparison and serves.")
    source: Literal["stored", "live"] = Field(
        description="`stored`: as the marts have it. `live`: assigned for this request."
    )


@analyses.post(
    "/analyze_artist",
    summary="Say which kind of artist it is",
    responses={200: ArtistAnalysis, 404: Problem, 409: Problem},
)
def analyze_artist(body: ArtistQuestion) -> flask.Response:
    """By `artist_id`, what the marts have; by `metrics`, what the serving model says now.

    404 for a URI that no artist has, 409 as long as nothing is trained and built.
    """
    if body.metrics is not None:
        serving = serving_model("artist_trends")
        cluster_id, similarity_score = assign_artist(serving, **body.metrics.model_dump())
        return answer(
            ArtistAnalysis(
                cluster_id=cluster_id,
                cluster_characteristics=_cluster(cluster_id),
                similarity_score=similarity_score,
                artist_id=None,
                artist_name=None,
                run_id=serving.run_id,
                model=serving.candidate,
                source="live",
            )
        )
    row = warehouse().row("artist_cluster", artist_uri=body.artist_id)
    if row is None:
        raise NotFound(f"There is no artist {body.artist_id}.")
    built = warehouse().cached("built_clustering")
    if not built or row["cluster_id"] is None:
        raise Conflict("No model has grouped this artist yet. Start a training, or run: mixhouse train")
    return answer(
        ArtistAnalysis(
            **row,
            cluster_characteristics=_cluster(row["cluster_id"]),
            run_id=built[0]["run_id"],
            model=built[0]["champion"],
            source="stored",
        )
    )


def _cluster(cluster_id: int) -> Cluster:
    for row in warehouse().cached("clusters"):
        if row["cluster_id"] == cluster_id:
            return Cluster.model_validate(row)
    raise Conflict(
        "The model has just been trained, and its clusters are not described yet. Wait for the build to end."
    )
