"""One run: how far it is, what came of it, its log."""

from typing import Any

import dash
import dash_mantine_components as dmc
from dash import Input, Output, State, dcc, html, no_update
from pydantic import BaseModel

from web.database import Row, warehouse
from web.pages import runs, shell
from web.pages.callbacks import Clicks, typed
from web.problems import NotFound, Problem

PATH = "/runs/none"
PATH_TEMPLATE = "/runs/<run_id>"
NAME = None
TITLE = "Run"


class Seen(BaseModel):
    """What the page shows of the run."""

    run_id: str
    status: str


def layout(run_id: str = "", **_: object) -> shell.Component:
    """Return the page."""
    run = _read(run_id)
    return dmc.Stack(
        [
            dcc.Link("All runs", href=f"/app{runs.PATH}", className="cell-link"),
            shell.heading(_name(run)),
            dcc.Interval(id="run-tick", interval=runs.QUICK_MS, disabled=run["status"] not in runs.UNDER_WAY),
            dcc.Store(id="run-seen", data=Seen(run_id=run_id, status=run["status"]).model_dump()),
            html.P(id="run-said", role="status"),
            html.Div(runs.facts(run), id="run-facts"),
            shell.panel("Log", html.Div(_log(run), id="run-log")),
        ]
    )


def named(run_id: str) -> str:
    """Return what the page is about."""
    return _name(_read(run_id))


def register(app: dash.Dash) -> None:
    """Let it be watched."""

    @app.callback(
        Output("run-facts", "children"),
        Output("run-log", "children"),
        Output("run-tick", "disabled"),
        Output("run-seen", "data"),
        Output("run-said", "children"),
        Output("notifications", "sendNotifications", allow_duplicate=True),
        Input("run-tick", "n_intervals"),
        State("run-seen", "data"),
        prevent_initial_call=True,
    )
    @typed
    def look(_: Clicks, seen: Seen) -> tuple[Any, ...]:
        try:
            run = _read(seen.run_id)
            lines = _log(run)
        except Problem as problem:
            return dmc.Alert(problem.detail, color="yellow"), no_update, False, no_update, problem.detail, no_update
        is_news = run["status"] != seen.status
        return (
            runs.facts(run),
            lines,
            run["status"] not in runs.UNDER_WAY,
            Seen(run_id=seen.run_id, status=run["status"]).model_dump(),
            runs.sentence(run) if is_news else no_update,
            [runs.told(run)] if is_news and run["status"] not in runs.UNDER_WAY else no_update,
        )


def _read(run_id: str) -> Row:
    number = int(run_id) if run_id.isascii() and run_id.isdigit() and len(run_id) < 19 else 0
    run = warehouse().row("run", run_id=number)
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    return run


def _log(run: Row) -> shell.Component:
    return runs.log(run["run_id"]) if run["attempts"] else dmc.Text("It has not begun.", c="dimmed")


def _name(run: Row) -> str:
    return f"Run {run['run_id']}: {runs.NAMES[run['kind']].lower()}"
