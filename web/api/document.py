"""The OpenAPI document: what flask-openapi3 writes of the operations, and what is true of all of them."""

from typing import Any

from web.problems import MEDIA_TYPE

Document = dict[str, Any]

_PROBLEM = {"$ref": "#/components/schemas/ProblemDocument"}
_OF_ALL = {
    "401": "A key is needed, and none or a wrong one was given.",
    "403": "Not allowed: from elsewhere, or by another user.",
    "503": "The database does not answer. `Retry-After` says when to try again.",
}
_OF_INPUT = {"422": "A parameter or field is not as it must be; `errors` names each."}
_OF_BODIES = {
    "400": "The body is not JSON.",
    "413": "The body is too large.",
    "415": "The body is no JSON by its `Content-Type`.",
}
_OF_SOME = {
    "404": "There is no such thing.",
    "409": "Nothing is built or trained yet, or the same is under way.",
    "429": "Too many requests. `Retry-After` says when to try again.",
}


def finished(document: Document) -> Document:
    """Return the document with the errors that every operation may answer, all of them as problem documents."""
    operations = {
        path: {method: _finished(path, operation) for method, operation in methods.items()}
        for path, methods in document["paths"].items()
    }
    return document | {"paths": operations}


def _finished(path: str, operation: Document) -> Document:
    errors = {status: _OF_SOME[status] for status in operation["responses"] if status in _OF_SOME}
    errors |= _OF_ALL
    if "requestBody" in operation or operation.get("parameters"):
        errors |= _OF_INPUT
    if "requestBody" in operation:
        errors |= _OF_BODIES
    if path == "/healthz":
        # It is open to everybody, and asks nobody.
        errors = {"403": _OF_ALL["403"]}
    answers = {status: answer for status, answer in operation["responses"].items() if status < "400"}
    problems = {
        status: {"description": description, "content": {MEDIA_TYPE: {"schema": _PROBLEM}}}
        for status, description in sorted(errors.items())
    }
    return operation | {
        "responses": answers | problems,
        # Lines of a docstring, which flask-openapi3 joins as HTML.
        "description": operation.get("description", "").replace("<br/>", "\n"),
    }
