"""How the server is: alive, ready, and its figures for Prometheus."""

from typing import Literal

import flask
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from web.api.resource import blueprint
from web.database import warehouse

operations = blueprint("operations", "Operations", "How the server is.")


class Health(BaseModel):
    """That the server answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether what the API serves is there."""

    status: Literal["ready"] = "ready"
    is_built: bool = Field(description="Whether the marts are there; analyses answer 409 until they are.")


@operations.get("/healthz", summary="Say that the server is alive", responses={200: Health})
def healthz() -> dict[str, str]:
    """Say that the server answers, whether or not the database does."""
    return {"status": "ok"}


@operations.get("/readyz", summary="Say whether the database answers", responses={200: Readiness})
def readyz() -> dict[str, object]:
    """Say whether the database answers, and whether anything is built."""
    return Readiness(is_built=warehouse().is_built()).model_dump()


@operations.get(
    "/metrics",
    summary="Give figures for Prometheus",
    responses={200: {"description": "Figures", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics() -> flask.Response:
    """Requests, the pool of connections, runs and the warehouse, in the text format."""
    return flask.Response(generate_latest(flask.current_app.extensions["metrics"]), content_type=CONTENT_TYPE_LATEST)
