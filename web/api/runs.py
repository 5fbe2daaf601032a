"""Runs: start one, watch it, look back at them."""

from datetime import datetime
from typing import Literal

from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, ConfigDict, Field

from web import jobs
from web.access import caller
from web.database import warehouse
from web.limits import STARTING, limiter
from web.problems import NotFound, ProblemDocument

blueprint = APIBlueprint("runs", __name__, abp_tags=[Tag(name="Runs", description="Long work, done by the worker.")])


class RunRequest(BaseModel):
    """What to do."""

    model_config = ConfigDict(extra="forbid")

    kind: jobs.Kind = Field(
        default="build",
        description="`build`: bring everything up to date. `train`: train both models, then build. "
        "`docs`: write the dbt docs.",
    )


class RunPath(BaseModel):
    """Which run."""

    run_id: int = Field(ge=1, le=2**63 - 1)


class RunMessage(BaseModel):
    """A line of the log of a run."""

    logged_at: datetime
    level: str
    message: str


class Run(BaseModel):
    """A run, as far as it is."""

    run_id: int
    kind: jobs.Kind
    requested_by: str = Field(description="`page`, `schedule`, or the name of an API key.")
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    status: Literal["queued", "running", "succeeded", "failed"]
    attempts: int
    step: str | None = Field(description="What is at hand, in words.")
    steps_done: int | None = Field(description="Of `steps_total`, within the step.")
    steps_total: int | None
    result: str | None = Field(description="What was done, in words.")
    error: str | None = Field(description="What went wrong, in words.")


class RunWithLog(Run):
    """A run with its log."""

    messages: list[RunMessage] = Field(description="Its log, oldest first.")


class RunList(BaseModel):
    """The latest runs."""

    runs: list[Run]


@blueprint.post(
    "/runs",
    summary="Start a run",
    responses={202: Run, 401: ProblemDocument, 409: ProblemDocument, 429: ProblemDocument, 503: ProblemDocument},
    security=[{"key": []}],
)
@limiter.limit(STARTING)
def start_run(body: RunRequest) -> tuple[dict[str, object], int, dict[str, str]]:
    """Queue a run. `GET /runs/{run_id}` says how far it is; 409 while one of the same kind is under way."""
    with warehouse().connection() as connection:
        run_id = jobs.start_run(connection, body.kind, caller() or "page")
    return _run(run_id), 202, {"Location": f"/runs/{run_id}"}


@blueprint.get("/runs", summary="List the latest runs", responses={200: RunList, 503: ProblemDocument})
def list_runs() -> dict[str, object]:
    """The latest hundred, newest first."""
    return RunList.model_validate({"runs": warehouse().rows("runs")}).model_dump(mode="json")


@blueprint.get("/runs/<int:run_id>", summary="Say how far a run is", responses={200: RunWithLog, 404: ProblemDocument})
def get_run(path: RunPath) -> dict[str, object]:
    """A run with its log, of which it has the latest thousand lines."""
    found = _run(path.run_id)
    messages = warehouse().rows("run_messages", run_id=path.run_id)
    return found | {"messages": [RunMessage.model_validate(row).model_dump(mode="json") for row in messages]}


def _run(run_id: int) -> dict[str, object]:
    row = warehouse().row("run", run_id=run_id)
    if row is None:
        raise NotFound(f"There is no run {run_id}.")
    return Run.model_validate(row).model_dump(mode="json")
