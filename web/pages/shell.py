"""What all pages share: the frame with its navigation, and what stands in place of a page that has nothing to show."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dash
import dash_mantine_components as dmc
from dash import Input, Output, State, dcc, html
from pydantic import BaseModel

from web import access
from web.database import warehouse
from web.pages.callbacks import Clicks, typed
from web.problems import DatabaseAway, NotBuilt, Problem, Unprocessable

# As Dash's own, with a language, which screen readers need to know.
INDEX = """<!DOCTYPE html>
<html lang="en" data-mantine-color-scheme="dark">
    <head>
        {%metas%}
        <title>{%title%}</title>
        {%favicon%}
        {%css%}
    </head>
    <body>
        {%app_entry%}
        <footer>
            {%config%}
            {%scripts%}
            {%renderer%}
        </footer>
    </body>
</html>"""

THEME = {
    "primaryColor": "green",
    "primaryShade": 5,
    "autoContrast": True,
    "fontFamily": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
    "defaultRadius": "md",
    "colors": {
        "green": [
            *("#e4fbef", "#c9f5de", "#9decc2", "#6de2a3", "#4fdb91"),
            *("#3fd68a", "#2bb873", "#1f9a5f", "#157a4b", "#0c5b37"),
        ],
        "dark": [
            *("#e9f1ec", "#b7c7bd", "#9fb3a8", "#5f7268", "#38463f"),
            *("#26312b", "#1b231f", "#141a17", "#0e1310", "#090c0a"),
        ],
    },
}

Component = Any
TRY_AGAIN_MS = 3_000
"""How often a page asks for a database that is away."""


class Asked(BaseModel):
    """Which page could not be shown."""

    module: str
    parts: dict[str, str]


def layout(navigation: Sequence[tuple[str, str]]) -> Component:
    """Return the frame of all pages.

    Args:
        navigation: Name and path, below `/app`, of each page that has a link.
    """
    links = [
        dmc.NavLink(label=name, href=f"/app{path}", active="exact" if path == "/" else "partial", variant="light")
        for name, path in navigation
    ]
    return dmc.MantineProvider(
        theme=THEME,
        forceColorScheme="dark",
        children=[
            dmc.NotificationContainer(id="notifications"),
            dmc.AppShell(
                id="frame",
                header={"height": 56},
                navbar={"width": 220, "breakpoint": "sm", "collapsed": {"mobile": True}},
                padding="md",
                children=[
                    dmc.AppShellHeader(
                        dmc.Group(
                            h="100%",
                            px="md",
                            children=[
                                dmc.Burger(
                                    id="burger",
                                    size="sm",
                                    hiddenFrom="sm",
                                    opened=False,
                                    **{"aria-label": "Show the navigation"},
                                ),
                                dmc.Anchor("Mixhouse", href="/app/", className="brand", underline="never"),
                                dmc.Anchor("API", href="/api-docs/swagger", ml="auto", size="sm", target="_blank"),
                                *([_sign_out()] if access.is_signed_in() else []),
                            ],
                        )
                    ),
                    dmc.AppShellNavbar(html.Nav(links, id="navigation", **{"aria-label": "Pages"}), p="xs"),
                    dmc.AppShellMain(html.Div(dash.page_container, id="main")),
                ],
            ),
        ],
    )


def register(app: dash.Dash) -> None:
    """Let the navigation open and close on small screens, and pages come back."""

    @app.callback(Output("frame", "navbar"), Input("burger", "opened"), State("frame", "navbar"))
    @typed
    def show_navigation(opened: bool, navbar: dict[str, Any]) -> dict[str, Any]:
        return navbar | {"collapsed": {"mobile": not opened}}

    # A page that was chosen is what people want to see next.
    @app.callback(Output("burger", "opened"), Input("_pages_location", "pathname"))
    @typed
    def hide_navigation(pathname: str) -> bool:
        return False

    @app.callback(
        Output("away", "children"),
        Input("away-tick", "n_intervals"),
        State("away-page", "data"),
        prevent_initial_call=True,
    )
    @typed
    def try_again(_: Clicks, asked: Asked) -> Component:
        page = dash.page_registry.get(asked.module)
        if page is None:
            raise Unprocessable("There is no such page.")
        try:
            return _shown(page["page"], asked.parts)
        except DatabaseAway:
            raise dash.exceptions.PreventUpdate from None


def guarded(page: Callable[..., Component]) -> Callable[..., Component]:
    """Show what to do where a page has nothing to show: no database, nothing built, no such thing."""

    @functools.wraps(page)
    def show(**parts: Any) -> Component:
        try:
            return _shown(page, parts)
        except DatabaseAway:
            asked = Asked(module=page.__module__, parts={name: part for name, part in parts.items() if _is_text(part)})
            return html.Div(
                [
                    empty("The database does not answer", "This page comes back by itself when it does."),
                    dcc.Store(id="away-page", data=asked.model_dump()),
                    dcc.Interval(id="away-tick", interval=TRY_AGAIN_MS),
                ],
                id="away",
            )

    return show


def _shown(page: Callable[..., Component], parts: Mapping[str, Any]) -> Component:
    """Return a page, or what to do where there is nothing to show.

    Raises:
        DatabaseAway: Nothing can be said of it.
    """
    try:
        # What an address says twice is a list, and nothing that a page asks for.
        return page(**{name: part for name, part in parts.items() if _is_text(part)})
    except NotBuilt:
        return empty("Nothing is built yet", *_what_to_build())
    except DatabaseAway:
        raise
    except Problem as problem:
        return empty("There is nothing here", problem.detail)


def _is_text(part: object) -> bool:
    return isinstance(part, str)


def _sign_out() -> Component:
    # A plain form, which works whatever else does.
    return html.Form(html.Button("Sign out", type="submit", className="sign-out"), method="post", action="/sign-out")


def empty(title: str, *what_to_do: Component) -> Component:
    """Return what stands where nothing can be shown: a title, and what to do about it."""
    lines = [dmc.Text(line) if isinstance(line, str) else line for line in what_to_do]
    return dmc.Stack(
        [dmc.Title(title, order=1, size="h3"), *lines],
        className="empty",
        py="xl",
    )


def heading(title: str, description: Component = None) -> Component:
    """Return the head of a page."""
    return dmc.Stack(
        [dmc.Title(title, order=1, size="h2"), *([dmc.Text(description, c="dimmed")] if description else [])],
        gap=4,
        mb="md",
    )


def panel(title: str, *children: Component, note: str | None = None) -> Component:
    """Return a part of a page with its title."""
    return dmc.Paper(
        [
            dmc.Title(title, order=2, size="h4", mb=4),
            *([dmc.Text(note, c="dimmed", size="sm", mb="sm")] if note else []),
            *children,
        ],
        p="md",
        withBorder=True,
        className="panel",
    )


def _what_to_build() -> list[Component]:
    landed = warehouse().row("landed")
    if landed is None or not landed["playlists"]:
        return [
            "Load playlists and build, on the command line:",
            dmc.Code("mixhouse run /path/to/spotify_million_playlist_dataset.zip", block=True),
            "Without a copy of the dataset, `make demo` makes playlists to try things out.",
        ]
    return [
        f"{landed['playlists']:,} playlists have landed. Build the marts, train the models:",
        dmc.Anchor("Start a build", href="/app/runs"),
    ]
