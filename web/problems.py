"""What goes wrong in a request, as problem documents (RFC 9457), for programs, and in words, for people."""

import logging
from collections.abc import Sequence
from http import HTTPStatus

import flask
from pydantic import BaseModel, Field, ValidationError
from werkzeug.exceptions import HTTPException

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """A field of the request that is not as it must be."""

    field: str = Field(description="Where it is: names and positions, joined by dots; empty for the whole.")
    message: str


class ProblemDocument(BaseModel):
    """An error, as RFC 9457 describes them."""

    type: str = Field(default="about:blank", description="A URI of the kind of problem.")
    title: str = Field(description="What the status means.")
    status: int
    detail: str = Field(description="What happened, and what to do.")
    errors: list[FieldProblem] | None = Field(default=None, description="The fields in question, if any are.")
    run_id: int | None = Field(default=None, description="The run in question, if one is.")


class Problem(Exception):
    """A request that cannot be answered as asked.

    Attributes:
        status: Of the answer.
        detail: What happened and what to do, for a person.
        errors: The fields in question.
        run_id: The run in question.
        retry_after: Seconds after which another try is worth it.
    """

    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldProblem] = (),
        run_id: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)
        self.run_id = run_id
        self.retry_after = retry_after


class Malformed(Problem):
    """The body cannot be read."""

    status = HTTPStatus.BAD_REQUEST


class NotSignedIn(Problem):
    """A key is needed, and none, or a wrong one, was given."""

    status = HTTPStatus.UNAUTHORIZED


class NotAllowed(Problem):
    """Whoever asks may not."""

    status = HTTPStatus.FORBIDDEN


class NotFound(Problem):
    """There is no such thing."""

    status = HTTPStatus.NOT_FOUND


class Conflict(Problem):
    """Something else comes first."""

    status = HTTPStatus.CONFLICT


class NotBuilt(Conflict):
    """The marts are not there yet."""

    def __init__(self) -> None:
        super().__init__("Nothing has been built yet. Load playlists and build: mixhouse run PATH, or start a build.")


class UnsupportedMediaType(Problem):
    """The body is in another form than the one that is read."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class Unprocessable(Problem):
    """The body can be read, and says what cannot be."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class TooBusy(Problem):
    """Others come first for now."""

    status = HTTPStatus.TOO_MANY_REQUESTS


class DatabaseAway(Problem):
    """The database does not answer."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("The database does not answer. Try again in a moment.", retry_after=5)


def document(problem: Problem) -> flask.Response:
    """Return a problem as the answer to a request."""
    body = ProblemDocument(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        errors=problem.errors or None,
        run_id=problem.run_id,
    )
    answer = flask.Response(body.model_dump_json(exclude_none=True), problem.status, mimetype=MEDIA_TYPE)
    if problem.retry_after is not None:
        answer.headers["Retry-After"] = str(problem.retry_after)
    if isinstance(problem, NotSignedIn):
        answer.headers["WWW-Authenticate"] = 'Bearer realm="mixhouse"'
    return answer


def from_validation(error: ValidationError) -> flask.Response:
    """Return what pydantic found wrong as the answer to a request."""
    errors = [
        FieldProblem(field=".".join(map(str, found["loc"])), message=found["msg"])
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    named = "; ".join(f"{found.field or 'the body'}: {found.message}" for found in errors[:3])
    return document(Unprocessable(f"The request is not as it must be: {named}.", errors=errors))


def register(app: flask.Flask) -> None:
    """Answer every error of the application with a problem document."""

    @app.errorhandler(Problem)
    def known(problem: Problem) -> flask.Response:
        return document(problem)

    @app.errorhandler(HTTPException)
    def of_http(error: HTTPException) -> flask.Response:
        # An answer that is complete, such as that of a failed validation, goes out as it is.
        if error.response is not None and isinstance(error.response, flask.Response):
            return error.response
        status = HTTPStatus(error.code or 500)
        detail = error.description or error.name
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            detail = f"Too many requests: {detail} are answered. Wait a moment, and try again."
        problem = Problem(detail)
        problem.status = status
        answer = document(problem)
        for name, value in error.get_headers():
            if name in {"Allow", "Retry-After", "Location"}:
                answer.headers[name] = value
        return answer

    @app.errorhandler(Exception)
    def unknown(error: Exception) -> flask.Response:
        # What it says may be of the database, and is for the log alone.
        logger.exception("event=request_failed path=%s", flask.request.path)
        return document(Problem("Something went wrong here. The log of the server says what."))
