"""The Flask application: the API at `/`, the pages at `/app/`."""

from dataclasses import dataclass, field
from importlib.metadata import version

import flask
from flask_caching import Cache
from flask_openapi3 import Info, OpenAPI
from flask_openapi3_swagger.plugins import RegisterPlugin as Swagger
from werkzeug.wrappers import Response

from web import access, api, limits, metrics, pages, problems, security
from web.access import Access
from web.api.document import finished
from web.api.requests import Request
from web.database import Warehouse
from web.problems import ProblemDocument

MOST_BYTES = 64 * 1024 * 1024
"""The largest body that is read: a slice of the dataset has about 34 MB."""


@dataclass(frozen=True)
class Settings:
    """What the application is made with.

    Attributes:
        secret_key: What sessions are signed with.
        access: What needs an API key.
        most_bytes: The largest body that is read.
        schedule: When the worker brings everything up to date, as in crontab; None for never.
    """

    secret_key: bytes
    access: Access = field(default_factory=Access)
    most_bytes: int = MOST_BYTES
    schedule: str | None = None


def create_app(settings: Settings) -> OpenAPI:
    """Make the application.

    It connects with the first request, as the variables of libpq say: `warehouse.database.environment` has them.
    """
    app = OpenAPI(
        __name__,
        info=Info(title="Mixhouse", version=version("mixhouse"), description=api.DESCRIPTION),
        security_schemes={"key": {"type": "http", "scheme": "bearer"}},
        validation_error_model=ProblemDocument,
        validation_error_callback=problems.from_validation,
        # Of its own, below: the document is at /openapi.json, where people look for it.
        doc_ui=False,
        static_folder=None,
    )
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SESSION_COOKIE_NAME="mixhouse",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_HTTPONLY=True,
        MAX_CONTENT_LENGTH=settings.most_bytes,
        CACHE_TYPE="SimpleCache",
        CACHE_THRESHOLD=500,
        CACHE_DEFAULT_TIMEOUT=3600,
    )
    cache = Cache(app)
    app.extensions["warehouse"] = Warehouse(cache)
    app.extensions["schedule"] = settings.schedule
    app.request_class = Request
    metrics.register(app, app.extensions["warehouse"])
    problems.register(app)
    access.register(app, settings.access)
    limits.limiter.init_app(app)
    for blueprint in api.BLUEPRINTS:
        app.register_api(blueprint)
    app.register_blueprint(Swagger.register(doc_url="../openapi.json"), url_prefix="/api-docs")
    document = finished(app.api_doc)
    app.add_url_rule("/openapi.json", "openapi_document", lambda: flask.jsonify(document))
    app.add_url_rule("/", "home", _home)
    security.register(app, pages.register(app).csp_hashes)
    return app


def _home() -> Response:
    return flask.redirect("/app/")
