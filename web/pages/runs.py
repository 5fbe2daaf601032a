"""Runs: start one, watch it, see what came of those before."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, get_args

import dash
import dash_mantine_components as dmc
import flask
from dash import ALL, Input, Output, State, ctx, dcc, html, no_update

from web import jobs
from web.access import may_start, require_starting
from web.database import Row, warehouse
from web.pages import components, shell
from web.pages.callbacks import Clicks, typed
from web.problems import DatabaseAway, Problem, Unprocessable

PATH = "/runs"
NAME = "Runs"
TITLE = "Runs"

Component = Any

NAMES: dict[str, str] = {"build": "Build", "train": "Training", "docs": "Documentation"}
STARTS: dict[str, tuple[str, str]] = {
    "build": ("Start a build", "Brings marts, models and insights up to date with what has landed."),
    "train": ("Start a training", "Trains both models, whether that is due or not, and builds what they lead to."),
    "docs": ("Write the documentation", "Writes what Lineage shows: every model, column and test."),
}
STATUSES = {"queued": "Queued", "running": "Running", "succeeded": "Succeeded", "failed": "Failed"}
COLORS = {"queued": "gray", "running": "blue", "succeeded": "green", "failed": "red"}
UNDER_WAY = ("queued", "running")
QUICK_MS, SLOW_MS = 1_000, 5_000
"""How often to look: while something is under way, and else, since others start runs too."""
MOST_SHOWN = 100
PATIENCE_SECONDS = 15
"""After how long in the queue, with nothing else at hand, it is worth asking whether there is a worker."""

COLUMNS = [
    components.column("run_id", "Run", "whole", link="page", width=90, filter="agNumberColumnFilter", minWidth=80),
    components.column("what", "What", width=140, minWidth=120),
    components.column("outcome", "Outcome", width=120, minWidth=110),
    components.column("requested_at", "Asked for (UTC)", "date", width=170, minWidth=150),
    components.column("requested_by", "By", width=120, minWidth=100),
    components.column("seconds", "Took (s)", "whole", note="From its beginning to its end", width=100),
    components.column("words", "What came of it", flex=1, minWidth=260),
]


def layout(**_: object) -> shell.Component:
    """Return the page."""
    found = warehouse().rows("runs", limit=MOST_SHOWN, offset=0)
    return dmc.Stack(
        [
            shell.heading(TITLE, "Long work is done one run at a time, and goes on whether or not this page is open."),
            dcc.Interval(id="runs-tick", interval=_pace(found)),
            dcc.Store(id="runs-seen", data=_statuses(found)),
            dmc.SimpleGrid([_start_card(kind, found) for kind in get_args(jobs.Kind)], cols={"base": 1, "sm": 3}),
            dmc.Text(_schedule(), size="sm", c="dimmed", id="runs-schedule"),
            # What happens is said here too, for those who do not see it happen.
            html.P(id="runs-said", role="status"),
            html.Div(_under_way(found), id="runs-now"),
            shell.panel("History", html.Div(_history(found), id="runs-history"), note="The latest hundred."),
        ]
    )


def register(app: dash.Dash) -> None:
    """Let runs be started and watched."""

    @app.callback(
        Output("runs-tick", "n_intervals"),
        Output("notifications", "sendNotifications", allow_duplicate=True),
        Input({"role": "runs-start", "kind": ALL}, "n_clicks"),
        State("runs-tick", "n_intervals"),
        prevent_initial_call=True,
    )
    @typed
    def start(clicks: list[Clicks], ticks: Clicks) -> tuple[Any, Any]:
        if not any(clicks):
            return no_update, no_update
        if not isinstance(ctx.triggered_id, dict) or "kind" not in ctx.triggered_id:
            raise Unprocessable("Nothing says which button was pressed.")
        kind = ctx.triggered_id["kind"]
        try:
            name = require_starting()
            with warehouse().connection() as connection:
                jobs.start_run(connection, kind, name)
        except Unprocessable:
            raise
        except Problem as problem:
            return (ticks or 0) + 1, [notification(f"not-started-{kind}", "Not started", problem.detail, "yellow")]
        # The next look at what is there finds it.
        return (ticks or 0) + 1, no_update

    @app.callback(
        Output("runs-now", "children"),
        Output({"role": "runs-start", "kind": ALL}, "disabled"),
        Output({"role": "runs-why", "kind": ALL}, "children"),
        Output({"role": "table", "table": "runs-history"}, "rowData", allow_duplicate=True),
        Output({"role": "download", "table": "runs-history"}, "disabled"),
        Output("runs-empty", "children"),
        Output("runs-tick", "interval"),
        Output("runs-seen", "data"),
        Output("runs-said", "children"),
        Output("notifications", "sendNotifications", allow_duplicate=True),
        Input("runs-tick", "n_intervals"),
        State("runs-seen", "data"),
        prevent_initial_call=True,
    )
    @typed
    def look(_: Clicks, seen: dict[str, str]) -> tuple[Any, ...]:
        kinds = get_args(jobs.Kind)
        try:
            found = warehouse().rows("runs", limit=MOST_SHOWN, offset=0)
            now = _under_way(found)
        except DatabaseAway as away:
            why = [away.detail] * len(kinds)
            alert = dmc.Alert(away.detail, title="The database is away", color="yellow", mb="md")
            unchanged = (no_update, no_update, no_update)
            return alert, [True] * len(kinds), why, *unchanged, QUICK_MS, seen, away.detail, no_update
        statuses = _statuses(found)
        news = [run for run in found if statuses[str(run["run_id"])] != seen.get(str(run["run_id"]))]
        reasons = [_reason(kind, found) for kind in kinds]
        return (
            now,
            [reason is not None for reason in reasons],
            [_why(reason) for reason in reasons],
            components.row_data(_history_rows(found), COLUMNS) if news else no_update,
            not found,
            _nothing(found),
            _pace(found),
            statuses,
            " ".join(sentence(run) for run in reversed(news)) if news else no_update,
            [told(run) for run in reversed(news) if run["status"] not in UNDER_WAY] or no_update,
        )


def told(run: Row) -> dict[str, Any]:
    """Return the notification of how a run has ended; a failure stays until it is closed."""
    title = f"{NAMES[run['kind']]} {STATUSES[run['status']].lower()}"
    return notification(f"run-{run['run_id']}", title, run["error"] or run["result"], COLORS[run["status"]])


def notification(name: str, title: str, message: str, color: str) -> dict[str, Any]:
    """Return what `notifications` is to show, once a name."""
    return {
        "action": "show",
        "id": name,
        "title": title,
        "message": message,
        "color": color,
        "closeButtonProps": {"aria-label": "Close"},
        "autoClose": False if color in {"red", "yellow"} else 6000,
    }


def facts(run: Row) -> Component:
    """Return what is known of a run, but for its log."""
    lines = [
        dmc.Group(
            [
                dmc.Badge(STATUSES[run["status"]], color=COLORS[run["status"]], variant="light", autoContrast=True),
                dmc.Text(_since(run), size="sm", c="dimmed"),
            ]
        )
    ]
    if run["status"] == "running":
        lines.append(dmc.Text(_step(run)))
        done, total = run["steps_done"], run["steps_total"]
        value = 100 * done / total if total else 100
        lines.append(
            dmc.ProgressRoot(
                dmc.ProgressSection(
                    value=value,
                    striped=not total,
                    animated=not total,
                    **{"aria-label": f"Progress of run {run['run_id']}"},
                ),
                size="lg",
            )
        )
    for words, color in ((run["result"], None), (run["error"], "red")):
        if words:
            lines.append(dmc.Alert(words, color=color or "green", title=None if color is None else "What went wrong"))
    return dmc.Stack(lines, gap="xs")


def log(run_id: int) -> Component:
    """Return the log of a run, the latest line last."""
    messages = warehouse().rows("run_messages", run_id=run_id)
    lines = [
        html.Li(
            [
                html.Time(f"{line['logged_at'].astimezone(UTC):%H:%M:%S}", dateTime=line["logged_at"].isoformat()),
                f" {line['message']}" if line["level"] == "INFO" else f" {line['level']}: {line['message']}",
            ],
            className=f"log-{line['level'].lower()}",
        )
        for line in messages
    ]
    return html.Div(html.Ol(lines), className="log", role="log", tabIndex=0, **{"aria-label": f"Log of run {run_id}"})


def _start_card(kind: str, found: Sequence[Row]) -> Component:
    name, description = STARTS[kind]
    reason = _reason(kind, found)
    return dmc.Paper(
        dmc.Stack(
            [
                dmc.Text(description, size="sm"),
                dmc.Button(
                    name,
                    id={"role": "runs-start", "kind": kind},
                    disabled=reason is not None,
                    mt="auto",
                    **{"aria-describedby": f"runs-why-{kind}"},
                ),
                html.Div(
                    html.Span(_why(reason), id={"role": "runs-why", "kind": kind}),
                    id=f"runs-why-{kind}",
                    className="why",
                ),
            ],
            h="100%",
            gap="xs",
        ),
        p="md",
        withBorder=True,
        className="panel",
    )


def _reason(kind: str, found: Sequence[Row]) -> str | None:
    """Say why a run of this kind cannot be started; None if it can."""
    for run in found:
        if run["kind"] == kind and run["status"] in UNDER_WAY:
            return f"Run {run['run_id']} is {run['status']}."
    return None if may_start() else "Sign in to start this."


def _why(reason: str | None) -> Component:
    if reason is None or not reason.startswith("Sign in"):
        return reason or ""
    return html.A(reason, href=f"/sign-in?next=/app{PATH}", className="cell-link")


def _under_way(found: Sequence[Row]) -> Component:
    """Return what is at hand, and what waits for it, first come first."""
    at_hand = sorted((run for run in found if run["status"] in UNDER_WAY), key=lambda run: run["run_id"])
    return dmc.Stack(
        [
            shell.panel(
                f"Run {run['run_id']}: {NAMES[run['kind']].lower()}",
                facts(run),
                *([log(run["run_id"])] if run["attempts"] else []),
            )
            for run in at_hand
        ]
    )


def _history(found: Sequence[Row]) -> Component:
    table = components.table("runs-history", "Runs, the latest first", _history_rows(found), COLUMNS, file="runs")
    return [html.Div(_nothing(found), id="runs-empty"), table]


def _nothing(found: Sequence[Row]) -> str:
    return "" if found else "Nothing has been run here yet. Start a build above."


def _history_rows(found: Sequence[Row]) -> list[Row]:
    return [
        run
        | {
            "page": f"/app/runs/{run['run_id']}",
            "what": NAMES[run["kind"]],
            "outcome": STATUSES[run["status"]],
            "seconds": (run["finished_at"] - run["started_at"]).total_seconds()
            if run["finished_at"] and run["started_at"]
            else None,
            "words": run["error"] or run["result"],
        }
        for run in found
    ]


def _statuses(found: Sequence[Row]) -> dict[str, str]:
    return {str(run["run_id"]): run["status"] for run in found}


def _pace(found: Sequence[Row]) -> int:
    return QUICK_MS if any(run["status"] in UNDER_WAY for run in found) else SLOW_MS


def sentence(run: Row) -> str:
    """Say what has become of a run."""
    name = f"Run {run['run_id']}, {NAMES[run['kind']].lower()},"
    words = run["error"] or run["result"] or ""
    does = {"queued": "is queued.", "running": "has begun.", "succeeded": "succeeded:", "failed": "failed:"}
    return f"{name} {does[run['status']]} {words}".rstrip()


def _step(run: Row) -> str:
    if run["step"] is None:
        return "Getting ready"
    return f"{run['step']}: {run['steps_done']} of {run['steps_total']}" if run["steps_total"] else str(run["step"])


def _since(run: Row) -> str:
    who = {"page": "in a page", "schedule": "by the schedule"}.get(run["requested_by"], f"by {run['requested_by']}")
    asked = f"Asked for {who} on {components.moment(run['requested_at'])}"
    if run["status"] == "queued":
        waits = (datetime.now(UTC) - run["requested_at"]).total_seconds()
        waiting = "waits for its turn" if waits < PATIENCE_SECONDS else "waits for a worker; is one running?"
        return f"{asked}; {waiting}"
    if run["started_at"] is None:
        return asked
    seconds = ((run["finished_at"] or datetime.now(UTC)) - run["started_at"]).total_seconds()
    took = f"{'took' if run['finished_at'] else 'for'} {components.number(seconds)} s"
    return f"{asked}; {took}" + (f"; attempt {run['attempts']}" if run["attempts"] > 1 else "")


def _schedule() -> str:
    schedule: str | None = flask.current_app.extensions["schedule"]
    if schedule is None:
        return "This server brings nothing up to date by itself; a worker that is started elsewhere may."
    return f"By itself, everything is brought up to date next on {components.moment(jobs.next_time(schedule))}."
