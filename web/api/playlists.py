"""Playlists: look for them, look at one, land new ones."""

from datetime import datetime
from typing import Annotated

import flask
from pydantic import BaseModel, Field

from web import jobs, landing
from web.access import caller
from web.api.resource import UNSENT, Pid, Problem, Search, Text, answer, blueprint
from web.database import Row, warehouse
from web.limits import STARTING, limiter
from web.problems import Conflict, FieldProblem, NotFound, Unprocessable, UnsupportedMediaType

playlists = blueprint("playlists", "Playlists", "Playlists that have landed, and what would help them.")

MOST_REJECTS = 1_000
"""How many rejects an answer names."""


class PlaylistSearch(Search):
    """Which playlists: all, the most followed first; or by how their title begins."""

    q: Annotated[Text, Field(min_length=1, max_length=200)] = Field(
        default=UNSENT,
        description="What the title begins with, whatever its case, punctuation and emoji. The title itself comes "
        "before longer ones, and of the same title the most followed first.",
        json_schema_extra={"example": "rock"},
    )


class PlaylistPath(BaseModel):
    """Which playlist."""

    pid: Pid


class Playlist(BaseModel):
    """A playlist, as the marts have it."""

    pid: int
    name: str = Field(description="Its title, as its creator wrote it.")
    genre: str | None = Field(description="The genre that the title names.")
    description: str | None
    collaborative: bool
    num_tracks: int
    num_artists: int = Field(description="Different artists.")
    num_albums: int = Field(description="Different albums.")
    duration_ms: int
    num_edits: int
    num_followers: int
    predicted_followers: float | None = Field(description="Null until a model has scored it.")
    predicted_low: int | None = Field(description="With `predicted_high`: what at least 80 % of such playlists have.")
    predicted_high: int | None
    confidence_score: float | None
    modified_at: datetime
    last_processed: datetime | None = Field(description="When the prediction was made.")


class PlaylistWithNumbers(Playlist):
    """A playlist, with how it compares."""

    length_band: str
    duplicate_tracks: int = Field(description="Positions that hold a track again.")
    is_duplicate: bool = Field(description="Whether a playlist of a lower number has the same tracks.")
    duplicate_of_pid: int | None
    is_underperforming: bool | None = Field(description="Whether it is far behind its prediction.")
    follower_gap: float | None = Field(description="Predicted followers less those that it has.")
    comparable_group: str | None = Field(description="Which playlists it is compared with.")
    comparable_playlists: int | None
    comparable_artists_per_track: float | None = Field(description="The median of theirs.")
    comparable_duration_ms: float | None = Field(description="What a playlist of as many tracks usually lasts there.")


class PlaylistList(BaseModel):
    """A part of a list of playlists."""

    playlists: list[Playlist]
    next_offset: int | None = Field(description="The offset of the next part; null at the end of what can be paged.")


class PlaylistTrack(BaseModel):
    """A position of a playlist."""

    pos: int
    track_name: str
    artist_name: str
    artist_uri: str
    album_name: str
    duration_ms: int
    playlist_appearances: int = Field(description="Playlists that hold the track.")


class PlaylistTracks(BaseModel):
    """The tracks of a playlist, in their order."""

    tracks: list[PlaylistTrack]


class PlaylistRecommendation(BaseModel):
    """What would help a playlist, and how that is known."""

    recommendation_rank: int
    recommendation: str
    action: str
    current_value: float | None
    suggested_value: float | None
    unit: str | None
    reason: str
    expected_gain: float | None = Field(description="Followers that playlists without the weakness have more.")
    expected_gain_pct: float | None
    gain_standard_error: float | None
    evidence: str
    weak_playlists: int | None
    other_playlists: int | None


class PlaylistRecommendations(BaseModel):
    """What would help a playlist, the most promising first."""

    recommendations: list[PlaylistRecommendation]


class PlaylistVersion(BaseModel):
    """A version of a playlist that has landed more than once."""

    version: int
    name: str
    is_current: bool
    num_followers: int
    followers_change: int | None
    followers_change_pct: float | None
    num_tracks: int
    tracks_added: int | None
    tracks_removed: int | None
    modified_at: datetime
    landed_at: datetime


class PlaylistVersions(BaseModel):
    """The versions of a playlist, the oldest first; none for a playlist that has one alone."""

    versions: list[PlaylistVersion]


@playlists.get("/playlists", summary="Search playlists", responses={200: PlaylistList, 409: Problem})
def list_playlists(query: PlaylistSearch) -> flask.Response:
    """Without `q` all playlists, the most followed first. `GET /genres/{genre}/playlists` has those of a genre."""
    part = {"limit": query.limit, "offset": query.offset}
    if query.q is not None:
        rows = warehouse().rows("playlists_found", q=query.q, **part)
    else:
        rows = warehouse().rows("playlists_most_followed", **part)
    return answer(PlaylistList.model_validate({"playlists": rows, "next_offset": query.next_offset(rows)}))


@playlists.get(
    "/playlists/<pid>", summary="Look at a playlist", responses={200: PlaylistWithNumbers, 404: Problem, 409: Problem}
)
def get_playlist(path: PlaylistPath) -> flask.Response:
    """A playlist with its prediction, and how it compares with playlists of its length and genre."""
    return answer(PlaylistWithNumbers.model_validate(_playlist(path.pid)))


@playlists.get(
    "/playlists/<pid>/tracks",
    summary="List the tracks of a playlist",
    responses={200: PlaylistTracks, 404: Problem, 409: Problem},
)
def get_playlist_tracks(path: PlaylistPath) -> flask.Response:
    """All of its tracks, in their order."""
    return answer(PlaylistTracks.model_validate({"tracks": _of_playlist("playlist_tracks", path.pid)}))


@playlists.get(
    "/playlists/<pid>/recommendations",
    summary="Say what would help a playlist",
    responses={200: PlaylistRecommendations, 404: Problem, 409: Problem},
)
def get_playlist_recommendations(path: PlaylistPath) -> flask.Response:
    """What comparable playlists do better without or with, and from how many of them that is known."""
    rows = _of_playlist("playlist_recommendations", path.pid)
    return answer(PlaylistRecommendations.model_validate({"recommendations": rows}))


@playlists.get(
    "/playlists/<pid>/versions",
    summary="List the versions of a playlist",
    responses={200: PlaylistVersions, 404: Problem, 409: Problem},
)
def get_playlist_versions(path: PlaylistPath) -> flask.Response:
    """How a playlist that landed more than once has changed."""
    return answer(PlaylistVersions.model_validate({"versions": _of_playlist("playlist_growth", path.pid)}))


def _of_playlist(query: str, pid: int) -> list[Row]:
    rows = warehouse().rows(query, pid=pid)
    if not rows:
        _playlist(pid)
    return rows


def _playlist(pid: int) -> Row:
    row = warehouse().row("playlist", pid=pid)
    if row is None:
        raise NotFound(f"There is no playlist {pid}.")
    return row


# ----------------------------------------------------------------------------------------------------------------------
# Landing


_TRACK = {
    "pos": 0,
    "track_uri": "spotify:track:0000000000000000000001",
    "track_name": "Night Drive",
    "artist_uri": "spotify:artist:0000000000000000000001",
    "artist_name": "The Examples",
    "album_uri": "spotify:album:0000000000000000000001",
    "album_name": "Roads",
    "duration_ms": 215_000,
}
_PLAYLIST = {
    "pid": 999_999,
    "name": "Late Night Rock",
    "collaborative": "false",
    "modified_at": 1_508_976_000,
    "num_tracks": 1,
    "num_albums": 1,
    "num_artists": 1,
    "num_followers": 1,
    "num_edits": 1,
    "duration_ms": 215_000,
    "tracks": [_TRACK],
}
_BODY = {
    "description": "Playlists in the form of the dataset: a slice, `playlists` alone, or one playlist.",
    "required": True,
    "content": {
        "application/json": {
            "schema": {"type": "object"},
            "examples": {
                "one playlist": {"value": _PLAYLIST},
                "several": {"value": {"playlists": [_PLAYLIST]}},
                "a slice": {"value": {"info": {"slice": "0-999", "version": "v1"}, "playlists": [_PLAYLIST]}},
            },
        }
    },
}


class RejectedPlaylist(BaseModel):
    """A playlist that breaks a rule."""

    ordinal: int = Field(description="Its position among those sent, from 0.")
    pid: int | None
    reason: str = Field(description="A code that docs/rejects.md explains.")
    detail: str


class Landed(BaseModel):
    """What became of playlists that were sent."""

    playlists_landed: int = Field(description="Stored, new or changed.")
    playlists_superseding: int = Field(description="Of those, the ones that replaced an earlier version.")
    playlists_unchanged: int = Field(description="Held already, with the same content.")
    playlists_rejected: int
    is_known: bool = Field(description="Whether the same content had landed before, so that nothing was to be done.")
    rejects: list[RejectedPlaylist] = Field(description=f"The first {MOST_REJECTS:,} of them.")
    run_id: int | None = Field(
        description="The build that takes them into the marts; null if there is nothing to take."
    )


@playlists.post(
    "/playlists",
    summary="Land playlists",
    responses={200: Landed, 201: Landed, 403: Problem, 409: Problem, 429: Problem},
    security=[{"key": []}],
    openapi_extensions={"requestBody": _BODY},
)
@limiter.limit(STARTING)
def land_playlists() -> flask.Response:
    """Land a slice (`{"info": ..., "playlists": [...]}`), `{"playlists": [...]}`, or one playlist.

    The rules are those of the loader. What breaks one is kept as a reject, and the others land: 201, with a build
    queued that takes them into the marts. 200 if all of it had landed before. 422 if each breaks a rule; `errors` says
    which.
    """
    if not flask.request.is_json:
        raise UnsupportedMediaType("Playlists are sent as JSON: Content-Type: application/json")
    outcome = landing.land(flask.request.get_data(cache=False), caller() or "page", MOST_REJECTS)
    rejects = [RejectedPlaylist.model_validate(reject, from_attributes=True) for reject in outcome.rejects]
    if outcome.sent and outcome.rejected == outcome.sent:
        raise Unprocessable(
            f"Nothing has landed: {outcome.rejected:,} of the playlists break a rule, each of them kept as a reject.",
            errors=[
                FieldProblem(field=f"playlists.{reject.ordinal}", message=f"{reject.reason}: {reject.detail}")
                for reject in rejects
            ],
        )
    run_id = _start_build() if outcome.landed else None
    body = Landed(
        playlists_landed=outcome.landed,
        playlists_superseding=outcome.superseding,
        playlists_unchanged=outcome.unchanged,
        playlists_rejected=outcome.rejected,
        is_known=outcome.is_known,
        rejects=rejects,
        run_id=run_id,
    )
    if not outcome.landed:
        return answer(body)
    return answer(body, 201, {"Location": f"/runs/{run_id}"})


def _start_build() -> int | None:
    try:
        with warehouse().connection() as connection:
            return jobs.start_run(connection, "build", caller() or "page")
    except Conflict as under_way:
        # One that is queued takes them in, and one that runs may have begun before: the next build does.
        return under_way.run_id
