"""Artists, and the clusters that they are in."""

from datetime import date, datetime
from typing import Annotated

import flask
from pydantic import BaseModel, Field

from web.api.resource import INT4, UNSENT, ArtistUri, Problem, Search, Text, answer, blueprint
from web.database import Row, warehouse
from web.problems import NotFound

artists = blueprint("artists", "Artists", "Artists, as playlists use them.")


class ArtistSearch(Search):
    """Which artists: all, by rank; or by how their name begins."""

    q: Annotated[Text, Field(min_length=1, max_length=200)] = Field(
        default=UNSENT,
        description="What the name begins with, whatever its case. Those in most playlists come first.",
        json_schema_extra={"example": "a"},
    )


class ClusterPath(BaseModel):
    """Which cluster."""

    cluster_id: int = Field(ge=0, le=INT4, description="As in `GET /clusters`.", json_schema_extra={"example": 0})


class ArtistPath(BaseModel):
    """Which artist."""

    artist_id: ArtistUri


class Artist(BaseModel):
    """An artist, as the insights have it."""

    artist_uri: str
    artist_name: str
    artist_score: float = Field(description="From 0 to 100.")
    artist_rank: int = Field(description="By score, from 1.")
    stage: str
    reach: int = Field(description="Followers of the playlists that carry the artist, each playlist once.")
    playlist_appearances: int = Field(description="Playlists that carry the artist.")
    track_appearances: int
    track_count: int = Field(description="Different tracks.")
    avg_followers: float = Field(description="Of those playlists.")
    median_followers: float
    cluster_id: int | None = Field(description="Null until a model has grouped it.")
    cluster_name: str | None
    similarity_score: float | None = Field(description="How typical of its cluster, 0 to 1.")
    last_processed: datetime | None


class ArtistRecommendation(BaseModel):
    """What to do with an artist, and why."""

    recommendation: str
    recommendation_rank: int
    reason: str


class ArtistWithNumbers(Artist):
    """An artist, with its place among the others."""

    appearances_rank: int
    appearances_percentile: float
    followers_percentile: float
    share_of_playlists_pct: float
    first_modified_month: date | None
    last_modified_month: date | None
    cluster_description: str | None
    recommendations: list[ArtistRecommendation]


class ArtistList(BaseModel):
    """A part of a list of artists."""

    artists: list[Artist]
    next_offset: int | None = Field(description="The offset of the next part; null at the end of what can be paged.")


class SimilarArtist(BaseModel):
    """An artist that is in the same playlists more often than chance would have it."""

    artist_uri: str
    artist_name: str
    similarity_rank: int
    score: float
    lift: float = Field(description="Playlists shared, by those that chance would have them share.")
    shared_playlists: int
    expected_shared_playlists: float
    sample_playlists: int = Field(description="Playlists of the artist in the sample that was looked at.")


class SimilarArtists(BaseModel):
    """Artists that are similar, the most similar first."""

    artists: list[SimilarArtist]


class ArtistMonth(BaseModel):
    """What is known of an artist in a month."""

    month: date
    playlists: int
    expected_playlists: float | None
    month_playlists: int | None = Field(description="All playlists changed last in that month.")
    movement: float | None = Field(description="Against artists of the same stage; above 0 is more than they moved.")
    change_pct: float | None
    direction: str | None


class ArtistMonths(BaseModel):
    """The months of an artist, the oldest first."""

    months: list[ArtistMonth]


class ArtistGenre(BaseModel):
    """A genre that playlists file an artist under."""

    genre: str
    genre_rank: int
    is_primary: bool
    playlists: int
    named_playlists: int
    share_pct: float
    expected_share_pct: float
    lift: float


class ArtistGenres(BaseModel):
    """The genres of an artist, by rank."""

    genres: list[ArtistGenre]


class Cluster(BaseModel):
    """A kind of artist, with what is typical of it."""

    cluster_id: int
    cluster_name: str
    cluster_description: str
    num_artists: int
    share_of_artists_pct: float
    share_of_tracks_pct: float
    avg_playlist_appearances: float
    median_playlist_appearances: float
    avg_followers: float
    median_followers: float
    avg_track_count: float
    median_track_count: float
    avg_followers_per_playlist: float
    avg_tracks_per_playlist: float
    median_artist_score: float
    comparison: str = Field(description="In words, beside the typical artist.")
    best_artists: str = Field(description="The names of the three of the best rank.")


class ClusterList(BaseModel):
    """The clusters, the largest first."""

    clusters: list[Cluster]


@artists.get("/artists", summary="Search artists", responses={200: ArtistList, 409: Problem})
def list_artists(query: ArtistSearch) -> flask.Response:
    """Without `q` all artists, by rank. `GET /clusters/{cluster_id}/artists` has those of a cluster."""
    part = {"limit": query.limit, "offset": query.offset}
    if query.q is not None:
        rows = warehouse().rows("artists_found", q=query.q, **part)
    else:
        rows = warehouse().rows("artists_ranked", **part)
    return answer(ArtistList.model_validate({"artists": rows, "next_offset": query.next_offset(rows)}))


@artists.get(
    "/artists/<artist_id>",
    summary="Look at an artist",
    responses={200: ArtistWithNumbers, 404: Problem, 409: Problem},
)
def get_artist(path: ArtistPath) -> flask.Response:
    """An artist, its place among the others, and what to do with it."""
    row = _artist(path.artist_id)
    recommendations = warehouse().rows("recommendations_of_artist", artist_uri=path.artist_id)
    return answer(ArtistWithNumbers.model_validate(row | {"recommendations": recommendations}))


@artists.get(
    "/artists/<artist_id>/similar",
    summary="List artists that are similar",
    responses={200: SimilarArtists, 404: Problem, 409: Problem},
)
def get_similar_artists(path: ArtistPath) -> flask.Response:
    """Artists that are in the same playlists more often than chance would have it; none for artists in few of them."""
    rows = warehouse().rows("similar_to_artist", artist_uri=path.artist_id)
    if not rows:
        _artist(path.artist_id)
    return answer(SimilarArtists.model_validate({"artists": rows}))


@artists.get(
    "/artists/<artist_id>/months",
    summary="List the months of an artist",
    responses={200: ArtistMonths, 404: Problem, 409: Problem},
)
def get_artist_months(path: ArtistPath) -> flask.Response:
    """How many playlists carry the artist, month by month, beside what was to be expected."""
    row = _artist(path.artist_id)
    months = warehouse().rows("artist_months", artist_uri=path.artist_id, artist_id=row["artist_id"])
    return answer(ArtistMonths.model_validate({"months": months}))


@artists.get(
    "/artists/<artist_id>/genres",
    summary="List the genres of an artist",
    responses={200: ArtistGenres, 404: Problem, 409: Problem},
)
def get_artist_genres(path: ArtistPath) -> flask.Response:
    """Which genres the titles of its playlists name, beside what was to be expected."""
    rows = warehouse().rows("genres_of_artist", artist_id=_artist(path.artist_id)["artist_id"])
    return answer(ArtistGenres.model_validate({"genres": rows}))


@artists.get("/clusters", summary="List the kinds of artists", responses={200: ClusterList, 409: Problem})
def list_clusters() -> flask.Response:
    """The clusters of artists with their profiles, the largest first; none until a model is trained."""
    return answer(ClusterList.model_validate({"clusters": warehouse().cached("clusters")}))


@artists.get(
    "/clusters/<cluster_id>/artists",
    summary="List the artists of a kind",
    responses={200: ArtistList, 404: Problem, 409: Problem},
)
def list_cluster_artists(path: ClusterPath, query: Search) -> flask.Response:
    """The artists of a cluster, by rank."""
    if not any(row["cluster_id"] == path.cluster_id for row in warehouse().cached("clusters")):
        raise NotFound(f"There is no cluster {path.cluster_id}.")
    rows = warehouse().rows("artists_of_cluster", cluster_id=path.cluster_id, limit=query.limit, offset=query.offset)
    return answer(ArtistList.model_validate({"artists": rows, "next_offset": query.next_offset(rows)}))


def _artist(artist_uri: str) -> Row:
    row = warehouse().row("artist_profile", artist_uri=artist_uri)
    if row is None:
        raise NotFound(f"There is no artist {artist_uri}.")
    return row
