"""The pages, at `/app/`: Dash, one module a page, in a shell with navigation."""

import dash
import flask

from web.pages import (
    artist,
    artists,
    components,
    genres,
    lineage,
    overview,
    playlist,
    popularity,
    quality,
    run,
    runs,
    shell,
    sign_in,
)

PAGES = (overview, popularity, playlist, artists, artist, genres, runs, run, quality, lineage)
"""In the order of the navigation. Each has `PATH`, `NAME`, `TITLE`, `layout(**parts of the address)`, and
`register(dash_app)` for what happens in it."""


def register(app: flask.Flask) -> dash.Dash:
    """Add the pages to the application, and return what Dash knows of them."""
    pages_app = dash.Dash(
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
        meta_tags=[{"name": "color-scheme", "content": "dark"}],
        index_string=shell.INDEX,
    )
    for order, page in enumerate(PAGES):
        dash.register_page(
            page.__name__,
            path=page.PATH,
            path_template=getattr(page, "PATH_TEMPLATE", None),
            name=page.NAME,
            title=f"{page.TITLE} · Mixhouse",
            description=page.TITLE,
            order=order,
            layout=shell.guarded(page.layout),
        )
    pages_app.layout = shell.layout([(page.NAME, page.PATH) for page in PAGES if page.NAME])
    shell.register(pages_app)
    components.register(pages_app)
    for page in PAGES:
        page.register(pages_app)
    sign_in.register(app)
    return pages_app


__all__ = ["register"]
