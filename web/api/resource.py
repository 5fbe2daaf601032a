"""What all resources of the API share: how they are named in its document, what text may be, and how they answer."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import flask
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from web.problems import ProblemDocument

MOST_JSON_BYTES = 64 * 1024
"""The largest body but for that of playlists to land."""
INT4 = 2**31 - 1
MOST_ROWS = 200
FURTHEST_ROW = 5_000
"""How far a list can be paged: all of it is what reports are for."""

Problem = ProblemDocument
"""What an operation answers where it cannot do what was asked; short, for it stands in each."""


def blueprint(name: str, tag: str, description: str) -> APIBlueprint:
    """Return a blueprint whose operations are called in the document as their functions are."""
    return APIBlueprint(
        name,
        __name__,
        abp_tags=[Tag(name=tag, description=description)],
        operation_id_callback=lambda *, name, path, method: name,
    )


def answer(model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> flask.Response:
    """Return a model as JSON; what JSON has no number for is null."""
    return flask.Response(model.model_dump_json(), status, headers, mimetype="application/json")


Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
"""What PostgreSQL can take: it does not know U+0000, and halves of surrogate pairs are no characters for pydantic."""


Pid = Annotated[int, Field(ge=0, le=INT4, description="Number of the playlist.", json_schema_extra={"example": 0})]
ArtistUri = Annotated[
    str,
    Field(
        pattern=r"^spotify:artist:[0-9A-Za-z]{22}$",
        description="URI of the artist.",
        json_schema_extra={"example": "spotify:artist:0000000000000000000001"},
    ),
]


UNSENT: Any = None
"""What stands for a field that was not sent. Its type has no None, so that nobody can send null."""


def absent_means_absent(schema: dict[str, Any]) -> None:
    """Take from the schema of a model that `UNSENT` is what it takes for fields that are left out."""
    for field in schema.get("properties", {}).values():
        if field.get("default", ...) is None:
            del field["default"]


class Search(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=absent_means_absent)

    limit: int = Field(default=50, ge=1, le=MOST_ROWS, description="How many at most.")
    offset: int = Field(default=0, ge=0, le=FURTHEST_ROW, description="How many to pass over.")

    def next_offset(self, rows: Sequence[object]) -> int | None:
        """Return where the next part begins; None behind the last row, and behind what can be paged."""
        offset = self.offset + self.limit
        return offset if len(rows) == self.limit and offset <= FURTHEST_ROW else None
