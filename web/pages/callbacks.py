"""What browsers send when something happens in a page, read strictly: who writes it by hand is told what is wrong."""

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar, get_type_hints

import dash
import flask
from dash.exceptions import DependencyException
from pydantic import Field, TypeAdapter, ValidationError

from web import problems
from web.problems import Malformed, NotFound, Unprocessable

PATH = "/app/_dash-update-component"
_LOCATION = "_pages_location"

Clicks = Annotated[int, Field(ge=0, lt=2**53)] | None
"""How often something was clicked, or a time has passed; None before the first."""

Answer = TypeVar("Answer")


def typed(callback: Callable[..., Answer]) -> Callable[..., Answer]:
    """Let a callback be called with values that are of the types that it names, and no others.

    Raises:
        Unprocessable: A value is of another type, or out of its range.
    """
    hints = get_type_hints(callback, include_extras=True)
    readers = {name: TypeAdapter(hints[name]) for name in inspect.signature(callback).parameters}

    @functools.wraps(callback)
    def read(*values: object) -> Answer:
        found = []
        for (name, reader), value in zip(readers.items(), values, strict=True):
            try:
                found.append(reader.validate_python(value))
            except ValidationError as error:
                said = error.errors(include_url=False, include_context=False, include_input=False)[0]["msg"]
                raise Unprocessable(f"{name.strip('_') or 'A value'} is not as it must be: {said}.") from None
        return callback(*found)

    return read


def register(app: dash.Dash) -> None:
    """Refuse what Dash would fail at."""

    @app.server.before_request
    def check() -> None:
        if flask.request.path == PATH and flask.request.method == "POST":
            _check(flask.request.get_json(), app.callback_map)

    @app.server.errorhandler(DependencyException)
    def no_such_file(_: DependencyException) -> flask.Response:
        return problems.document(NotFound("No page has a file with this address."))


def _check(body: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Refuse a body that is not of a callback of ours.

    Raises:
        Malformed: It is not of the form that Dash has.
        Unprocessable: It names an address that is none.
    """
    output = body.get("output")
    callback = known.get(output) if isinstance(output, str) else None
    if callback is None or "callback" not in callback:
        raise Malformed("The body names no output that there is.")
    for field, declared in (("inputs", callback["inputs"]), ("state", callback["state"])):
        _check_parts(field, body.get(field, []), [(part["id"], part["property"]) for part in declared])
    outputs = callback["output"]
    declared = [
        (part.component_id_str(), part.component_property)
        for part in (outputs if isinstance(outputs, list | tuple) else [outputs])
    ]
    sent = body.get("outputs", [])
    _check_parts("outputs", sent if isinstance(outputs, list | tuple) else [sent], declared)
    changed = body.get("changedPropIds", [])
    if not isinstance(changed, list) or not all(isinstance(name, str) and _is_property(name) for name in changed):
        raise Malformed("changedPropIds is to be a list of ids with their properties.")
    for part in body.get("inputs", []):
        if isinstance(part, dict) and part["id"] == _LOCATION:
            _check_address(part["property"], part.get("value"))


def _check_parts(field: str, sent: object, declared: list[tuple[str, str]]) -> None:
    if not isinstance(sent, list) or len(sent) != len(declared):
        raise Malformed(f"{field} is to be a list of {len(declared)}.")
    for part, (name, property_) in zip(sent, declared, strict=True):
        # Dash writes a pattern as JSON. What all of its matches are sent for is a list of them.
        pattern = json.loads(name) if name.startswith("{") else None
        is_of_many = pattern is not None and ["ALL"] in pattern.values()
        if isinstance(part, list) is not is_of_many:
            raise Malformed(f"{name} in {field} is not as it must be.")
        for one in part if is_of_many else [part]:
            # What several callbacks put out has a mark of each behind an @.
            if not isinstance(one, dict) or str(one.get("property")).partition("@")[0] != property_:
                raise Malformed(f"{name} in {field} is not as it must be.")
            if not _matches(one.get("id"), pattern, name):
                raise Malformed(f"{name} in {field} is not as it must be.")


def _matches(sent: object, pattern: dict[str, Any] | None, name: str) -> bool:
    if pattern is None:
        return sent == name
    return (
        isinstance(sent, dict)
        and sent.keys() == pattern.keys()
        and all(isinstance(value, str) for value in sent.values())
        and all(isinstance(value, list) or sent[key] == value for key, value in pattern.items())
    )


def _is_property(name: str) -> bool:
    component, dot, _ = name.rpartition(".")
    if not component.startswith("{"):
        return bool(dot)
    try:
        return isinstance(json.loads(component), dict)
    except (ValueError, RecursionError):
        return False


def _check_address(property_: str, value: object) -> None:
    is_path = isinstance(value, str) and (value == "/app" or value.startswith("/app/"))
    if not (is_path if property_ == "pathname" else value is None or isinstance(value, str)):
        raise Unprocessable("The address is to be that of a page.")
