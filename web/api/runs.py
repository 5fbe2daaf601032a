"""Runs: start one, watch it, look back at them."""

from datetime import datetime
from typing import Literal

import flask
from pydantic import BaseModel, ConfigDict, Field

from web import jobs
from web.access import caller
from web.api.resource import MOST_JSON_BYTES, Problem, Search, answer, blueprint
from web.database import Row, warehouse
from web.limits import STARTING, limiter
from web.problems import NotFound

runs = blueprint("runs", "Runs", "Long work, done by the worker.")


class RunRequest(BaseModel):
    """What to do."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        openapi_extra={"examples": {kind: {"value": {"kind": kind}} for kind in jobs.KINDS}},  # type: ignore[typeddict-unknown-key]
    )

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
    """A part of the runs."""

    runs: list[Run]
    next_offset: int | None = Field(description="The offset of the next part; null at the end of what can be paged.")


@runs.before_request
def _keep_small() -> None:
    flask.request.max_content_length = MOST_JSON_BYTES


@runs.post(
    "/runs",
    summary="Start a run",
    responses={202: Run, 409: Problem, 429: Problem},
    security=[{"key": []}],
)
@limiter.limit(STARTING)
def start_run(body: RunRequest) -> flask.Response:
    """Queue a run. `GET /runs/{run_id}` says how far it is; 409 while one of the same kind is under way."""
    with warehouse().connection() as connection:
        run_id = jobs.start_run(connection, body.kind, caller() or "page")
    return answer(Run.model_validate(_run(run_id)), 202, {"Location": f"/runs/{run_id}"})


@runs.get("/runs", summary="List the runs", responses={200: RunList})
def list_runs(query: Search) -> flask.Response:
    """Newest first."""
    rows = warehouse().rows("runs", limit=query.limit, offset=query.offset)
    return answer(RunList.model_validate({"runs": rows, "next_offset": query.next_offset(rows)}))


@runs.get("/runs/<run_id>", summary="Say how far a run is", responses={200: RunWithLog, 404: Problem})
def get_run(path: RunPath) -> flask.Response:
    """A run with its log, of which it has the latest thousand lines."""
    row = _run(path.run_id)
    messages = warehouse().rows("run_messages", run_id=path.run_id)
    return answer(RunWithLog.model_validate(row | {"messages": messages}))


def _run(run_id: int) -> Row:
    row = warehouse().row("run", run_id=run_id)
    if row is None:
        raise NotFound(f"There is no run {run_id}.")
    return row
