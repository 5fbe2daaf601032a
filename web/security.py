"""Headers that keep what is shown from doing anything else, whatever strangers wrote into a title."""

from collections.abc import Callable, Sequence

import flask

PAGES = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; script-src 'self' {hashes}; "
    "font-src 'self' data:; worker-src 'self' blob:; connect-src 'self'; frame-src 'self'; frame-ancestors 'self'; "
    "base-uri 'none'; form-action 'self'; object-src 'none'"
)
"""Of the pages: scripts are those of the packages, and what Dash writes into the page, by its hashes."""
# Documents made by tools of the field, with scripts in the page: they may run these, and send nothing anywhere.
INLINE = (
    "default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; font-src data:; connect-src 'self'; frame-ancestors 'self'; "
    "base-uri 'none'; form-action 'self'"
)
DATA = "default-src 'none'; frame-ancestors 'none'"
"""Of what is no page."""


def register(app: flask.Flask, script_hashes: Callable[[], Sequence[str]]) -> None:
    """Give every answer its headers.

    Args:
        app: The application.
        script_hashes: Gives those of what Dash writes into the page, which is known with the first page only.
    """

    @app.after_request
    def add(answer: flask.Response) -> flask.Response:
        path = flask.request.path
        if path.startswith("/api-docs/") or path in {"/lineage.html", "/reports/performance.html"}:
            policy = INLINE
        elif (answer.mimetype == "text/html" and path.startswith("/app/")) or path == "/sign-in":
            policy = PAGES.format(hashes=" ".join(script_hashes()))
        else:
            policy = DATA
        answer.headers["Content-Security-Policy"] = policy
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Referrer-Policy"] = "same-origin"
        answer.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        answer.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        answer.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        if not path.startswith("/app/_dash-component-suites/") and "Cache-Control" not in answer.headers:
            answer.headers["Cache-Control"] = "no-store"
        return answer
