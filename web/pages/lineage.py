"""Lineage: where each number comes from, as dbt documents it."""

import logging
from datetime import UTC, datetime

import dash
import dash_mantine_components as dmc
import flask
from dash import Input, Output, dcc, html

from warehouse.dbt import docs_file
from web import access
from web.database import Row, warehouse
from web.jobs import start_run
from web.pages import components, shell
from web.pages.callbacks import Clicks, typed
from web.problems import Conflict, NotFound, Problem

logger = logging.getLogger(__name__)

PATH = "/lineage"
NAME = "Lineage"
TITLE = "Lineage"
DOCUMENT = "/lineage.html"


def layout(**_: object) -> shell.Component:
    """Return the page."""
    run = _last_run()
    return dmc.Stack(
        [
            shell.heading(
                TITLE,
                "Where each number comes from: every table with its columns, its tests, and what it is made of, from "
                "the files that were loaded to the recommendations.",
            ),
            html.Div(_starting()),
            html.Div(_state(run), id="lineage-state", **{"aria-live": "polite"}),
            dcc.Interval(id="lineage-watch", interval=1000, disabled=not _is_under_way(run)),
            html.Div(document(_written_at()), id="lineage-document"),
        ]
    )


def register(app: dash.Dash) -> None:
    """Serve the document, start writing it, and watch until it is there."""

    @app.server.get(DOCUMENT)
    def lineage_document() -> flask.Response:
        try:
            return flask.send_file(docs_file(), mimetype="text/html", max_age=0, conditional=True)
        except FileNotFoundError:
            raise NotFound("The dbt docs have not been written yet. Start a run of kind docs.") from None

    @app.callback(
        Output("lineage-state", "children"),
        Output("lineage-watch", "disabled"),
        Input("lineage-start", "n_clicks"),
        prevent_initial_call=True,
    )
    @typed
    def start(clicks: Clicks) -> tuple[shell.Component, bool]:
        if not clicks:
            raise dash.exceptions.PreventUpdate
        try:
            requested_by = access.require_starting()
            with warehouse().connection() as connection:
                start_run(connection, "docs", requested_by)
        except Conflict:
            # Somebody else was faster, and this is what they started.
            logger.info("event=docs_under_way")
        except Problem as problem:
            return components.alert(problem.detail, "red"), True
        return _state(_last_run()), False

    @app.callback(
        Output("lineage-state", "children", allow_duplicate=True),
        Output("lineage-watch", "disabled", allow_duplicate=True),
        Output("lineage-document", "children"),
        Input("lineage-watch", "n_intervals"),
        prevent_initial_call=True,
    )
    @typed
    def watch(_: Clicks) -> tuple[shell.Component, bool, shell.Component]:
        try:
            run = _last_run()
        except Problem as problem:
            return components.alert(problem.detail, "yellow"), False, dash.no_update
        if _is_under_way(run):
            return _state(run), False, dash.no_update
        return _state(run), True, document(_written_at())


def document(written: datetime | None) -> shell.Component:
    """Return the document in a frame of its own; what to do where there is none."""
    if written is None:
        return html.Div(
            dmc.Stack(
                [
                    dmc.Text("The documentation has not been written yet."),
                    dmc.Text(
                        "Writing it takes half a minute or so. On the command line, dbt docs serve shows the same.",
                        c="dimmed",
                        size="sm",
                    ),
                ],
                gap="xs",
            ),
            className="card",
        )
    return dmc.Stack(
        [
            dmc.Group(
                [
                    dmc.Text(
                        f"Written {components.ago(written)}, {components.moment(written)}.", size="sm", c="dimmed"
                    ),
                    dmc.Anchor("Open it alone in a tab", href=DOCUMENT, target="_blank", size="sm"),
                ],
                justify="space-between",
            ),
            html.Iframe(
                # Another address each time it is written, so that the frame shows what is new.
                src=f"{DOCUMENT}?written={written.timestamp():.0f}",
                title="Documentation of the tables, by dbt",
                # Its scripts run, as nobody: they reach neither this page nor its cookies.
                sandbox="allow-scripts",
                className="lineage",
            ),
        ],
        gap="xs",
    )


def _starting() -> shell.Component:
    if not access.may_start():
        return dmc.Anchor("Sign in to have it written", href="/sign-in?next=/app/lineage")
    return dmc.Button("Write the documentation", id="lineage-start", n_clicks=0)


def _written_at() -> datetime | None:
    try:
        return datetime.fromtimestamp(docs_file().stat().st_mtime, UTC)
    except FileNotFoundError:
        return None


def _last_run() -> Row | None:
    return warehouse().row("docs_run")


def _is_under_way(run: Row | None) -> bool:
    return run is not None and run["status"] in {"queued", "running"}


def _state(run: Row | None) -> shell.Component:
    if run is None or run["status"] == "succeeded":
        return None
    if run["status"] == "failed":
        return dmc.Alert(
            [f"The last attempt failed: {run['error']} ", dmc.Anchor("See the run", href="/app/runs", size="sm")],
            color="red",
            title="Not written",
        )
    share = 100 * run["steps_done"] / run["steps_total"] if run["steps_total"] else 0
    said = run["step"] or ("Waiting for a worker to begin" if run["status"] == "queued" else "Beginning")
    if run["steps_total"]:
        said += f", {run['steps_done']:,} of {run['steps_total']:,}"
    return dmc.Stack(
        [
            dmc.Text(f"{said} …", size="sm"),
            dmc.Progress(
                value=share or 100, animated=True, striped=True, **{"aria-label": "Progress of the documentation"}
            ),
        ],
        gap=4,
    )
