"""Genres, as the titles of playlists name them."""

from datetime import date
from typing import Annotated

import flask
from pydantic import BaseModel, ConfigDict, Field

from web.api.playlists import PlaylistList
from web.api.resource import Problem, Search, Text, answer, blueprint
from web.database import warehouse
from web.problems import NotFound

genres = blueprint("genres", "Genres", "What titles of playlists name.")


class Genre(BaseModel):
    """A genre, over all playlists whose titles name it."""

    genre: str
    playlists: int
    share_of_playlists_pct: float
    share_of_named_pct: float = Field(description="Of the playlists whose titles name any genre.")
    usual_title: str | None
    followers: int
    avg_followers: float
    median_followers: float
    tracks: int | None
    artists: int | None
    median_tracks: float
    median_artists: float
    median_duration_min: float
    top_artist_uri: str | None
    top_artist_name: str | None
    top_artist_playlists: int | None


class GenreList(BaseModel):
    """The genres, the most named first."""

    genres: list[Genre]


class GenrePath(BaseModel):
    """Which genre."""

    model_config = ConfigDict(extra="forbid")

    genre: Annotated[Text, Field(min_length=1, max_length=100)] = Field(
        description="As in `GET /genres`.", json_schema_extra={"example": "rock"}
    )


class GenreMonth(BaseModel):
    """A genre in a month."""

    month: date
    playlists: int
    month_playlists: int = Field(description="All playlists changed last in that month.")
    share_pct: float
    share_before_pct: float | None
    share_year_before_pct: float | None
    expected_playlists: float | None
    change_pct: float | None
    trend_score: float | None
    direction: str | None


class GenreMonths(BaseModel):
    """The months of a genre, the oldest first."""

    months: list[GenreMonth]


@genres.get("/genres", summary="List the genres", responses={200: GenreList, 409: Problem})
def list_genres() -> flask.Response:
    """Every genre that a title names, the most named first."""
    return answer(GenreList.model_validate({"genres": warehouse().cached("genres")}))


@genres.get(
    "/genres/<genre>/months",
    summary="List the months of a genre",
    responses={200: GenreMonths, 404: Problem, 409: Problem},
)
def get_genre_months(path: GenrePath) -> flask.Response:
    """How many playlists name the genre, month by month; none where months have too few playlists."""
    _require(path.genre)
    months = [row for row in warehouse().cached("genre_months") if row["genre"] == path.genre]
    return answer(GenreMonths.model_validate({"months": months}))


@genres.get(
    "/genres/<genre>/playlists",
    summary="List the playlists of a genre",
    responses={200: PlaylistList, 404: Problem, 409: Problem},
)
def list_genre_playlists(path: GenrePath, query: Search) -> flask.Response:
    """The playlists whose titles name the genre first, the most followed first."""
    _require(path.genre)
    rows = warehouse().rows("playlists_of_genre", genre=path.genre, limit=query.limit, offset=query.offset)
    return answer(PlaylistList.model_validate({"playlists": rows, "next_offset": query.next_offset(rows)}))


def _require(genre: str) -> None:
    if not any(row["genre"] == genre for row in warehouse().cached("genres")):
        raise NotFound(f"No title names a genre {genre}.")
