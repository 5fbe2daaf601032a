"""Signing in with an API key, where the server can be reached from elsewhere."""

import flask
from werkzeug.wrappers import Response

from web import access
from web.limits import SIGNING_IN, limiter


def register(app: flask.Flask) -> None:
    """Add the page; it is a plain form, so that it works before anything else may be read."""

    @app.get("/sign-in")
    def sign_in() -> str:
        return flask.render_template("sign_in.html", next=_own(flask.request.args.get("next")), wrong=False)

    @app.post("/sign-in")
    @limiter.limit(SIGNING_IN)
    def try_key() -> Response | tuple[str, int]:
        target = _own(flask.request.form.get("next"))
        if access.sign_in(flask.request.form.get("key", "")):
            return flask.redirect(target)
        return flask.render_template("sign_in.html", next=target, wrong=True), 401

    @app.post("/sign-out")
    def sign_out() -> Response:
        access.sign_out()
        return flask.redirect("/sign-in")


def _own(target: str | None) -> str:
    """Return a path of this server, whatever the address says: nobody is to be sent elsewhere after signing in."""
    is_own = target is not None and target.startswith("/app/") and "\\" not in target and target.isprintable()
    return str(target) if is_own else "/app/"
