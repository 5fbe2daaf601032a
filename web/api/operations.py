"""How the server is: alive, ready, and its figures for Prometheus."""

from typing import Literal

from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from web.database import warehouse
from web.problems import ProblemDocument

blueprint = APIBlueprint("operations", __name__, abp_tags=[Tag(name="Operations")])


class Health(BaseModel):
    """That the server answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether what the API serves is there."""

    status: Literal["ready"] = "ready"
    is_built: bool = Field(description="Whether the marts are there; analyses answer 409 until they are.")


@blueprint.get("/healthz", summary="Say that the server is alive", responses={200: Health})
def healthz() -> dict[str, str]:
    """Say that the server answers, whether or not the database does."""
    return {"status": "ok"}


@blueprint.get("/readyz", summary="Say whether the database answers", responses={200: Readiness, 503: ProblemDocument})
def readyz() -> dict[str, object]:
    """Say whether the database answers, and whether anything is built."""
    return Readiness(is_built=warehouse().is_built()).model_dump()
