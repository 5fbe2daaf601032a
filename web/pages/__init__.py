"""The pages, at `/app/`: Dash, one module a page, in a shell with navigation."""

import functools
from types import ModuleType
from typing import Any

import dash
import flask

from web.pages import (
    artist,
    artists,
    callbacks,
    components,
    genres,
    lineage,
    not_found_404,
    opening,
    overview,
    playlist,
    popularity,
    quality,
    run,
    runs,
    shell,
    sign_in,
)

PAGES = (overview, popularity, playlist, artists, artist, genres, runs, run, quality, lineage, not_found_404)
"""In the order of the navigation. Each has `PATH`, `NAME`, `TITLE`, `layout(**parts of the address)`, and
`register(dash_app)` for what happens in it; those of one thing have `named(**parts)`, the title of it."""


class _Pages(dash.Dash):  # type: ignore[misc]
    """Dash, whose document has the opening of its page: Dash's own says nothing but that it is loading."""

    openings = opening.Openings(PAGES, not_found_404)

    def interpolate_index(self, *, app_entry: str = "", **parts: Any) -> str:
        shown = self.openings.opening(flask.request.path.removeprefix("/app"))
        document: str = super().interpolate_index(app_entry=app_entry + shown, **parts)
        return document


def register(app: flask.Flask) -> dash.Dash:
    """Add the pages to the application, and return what Dash knows of them."""
    pages_app = _Pages(
        __name__,
        server=app,
        url_base_pathname="/app/",
        assets_folder="../assets",
        use_pages=True,
        pages_folder="",
        title="Mixhouse",
        update_title="",
        suppress_callback_exceptions=True,
        add_log_handler=False,
        enable_mcp=False,
        # Else each request, also of the API, is handed to a thread of its own.
        use_async=False,
        meta_tags=[
            {"name": "color-scheme", "content": "dark"},
            {"name": "description", "content": "What playlists say of music: popularity, artists, genres, quality."},
        ],
        # They would have the titles of strangers in the document, for cards of sites that this is not shown at.
        include_pages_meta=False,
        index_string=shell.INDEX,
    )
    for order, page in enumerate(PAGES):
        dash.register_page(
            page.__name__,
            path=page.PATH,
            path_template=getattr(page, "PATH_TEMPLATE", None),
            name=page.NAME,
            title=functools.partial(_title, page),
            order=order,
            layout=shell.guarded(page.layout),
            page=page.layout,
        )
    # Anew for each who opens it: it shows whether somebody is signed in.
    pages_app.layout = functools.partial(shell.layout, [(page.NAME, page.PATH) for page in PAGES if page.NAME])
    callbacks.register(pages_app)
    shell.register(pages_app)
    components.register(pages_app)
    for page in PAGES:
        page.register(pages_app)
    sign_in.register(app)
    return pages_app


def _title(page: ModuleType, **parts: str) -> str:
    """Return what a browser calls a page."""
    return f"{opening.about(page, **parts)} · Mixhouse"


__all__ = ["register"]
