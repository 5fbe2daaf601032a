"""The warehouse as a whole: its sizes, and what breaks the rules of the dataset."""

from datetime import datetime

import flask
from pydantic import BaseModel, Field

from web.api.resource import Problem, answer, blueprint
from web.database import warehouse

whole = blueprint("warehouse", "Warehouse", "Sizes, freshness, and what breaks the rules of the dataset.")


class Overview(BaseModel):
    """The sizes of everything, how fresh it is, and how good the models are."""

    slices_landed: int
    slices_refused: int
    playlists: int
    playlists_rejected: int
    synthetic_playlists: int = Field(description="Of the playlists, those that were made up.")
    playlists_predicted: int
    collaborative_playlists: int
    track_rows: int
    tracks: int
    albums: int
    artists: int
    artists_clustered: int
    avg_followers: float | None
    median_followers: float | None
    popularity_error: float | None = Field(description="RMSE on log1p of followers, of held-out playlists.")
    popularity_error_of_a_constant: float | None = Field(description="The same, of the best constant answer.")
    clustering_silhouette: float | None
    errors_in_data: int
    warnings_in_data: int
    newest_modified_at: datetime | None
    built_until: datetime | None
    last_loaded_at: datetime | None


class Rule(BaseModel):
    """A rule of the dataset, and what breaks it."""

    rule: str
    entity: str
    description: str
    severity: str
    reason: str
    rows_checked: int
    rows_broken: int
    rows_kept_aside: int = Field(description="Of those, the ones that are rejects and not in the marts.")
    share_broken_pct: float | None


class DataQuality(BaseModel):
    """The rules, those that are broken first."""

    rules: list[Rule]


class RejectReason(BaseModel):
    """A reason for which something was refused."""

    entity: str = Field(description="`file` or `playlist`.")
    reason: str
    refused: int
    still_open: int = Field(description="Those that nothing has made up for.")
    first_refused_at: datetime
    last_refused_at: datetime


class Rejects(BaseModel):
    """What was refused, by reason."""

    reasons: list[RejectReason]


@whole.get("/overview", summary="Say how much there is", responses={200: Overview, 409: Problem})
def get_overview() -> flask.Response:
    """Sizes, freshness and the quality of the models, as of the last build."""
    return answer(Overview.model_validate(warehouse().cached("overview")[0]))


@whole.get("/data_quality", summary="Say what breaks the rules", responses={200: DataQuality, 409: Problem})
def get_data_quality() -> flask.Response:
    """How many rows break each rule of the dataset."""
    return answer(DataQuality.model_validate({"rules": warehouse().cached("data_quality")}))


@whole.get("/rejects", summary="Say what was refused", responses={200: Rejects, 409: Problem})
def get_rejects() -> flask.Response:
    """How many files and playlists were refused for each reason. `mixhouse rejects` lists the playlists themselves."""
    return answer(Rejects.model_validate({"reasons": warehouse().cached("rejects_by_reason")}))
