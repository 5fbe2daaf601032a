"""Data quality: which rules the data breaks, what was refused and why, and how to put it right."""

from collections.abc import Sequence

import dash
import dash_mantine_components as dmc
from dash import html

from loaders.schema import PLAYLIST_REASONS, SLICE_REASONS
from web.database import Row, warehouse
from web.pages import components, shell

PATH = "/quality"
NAME = "Data quality"
TITLE = "Data quality and rejects"

MOST_LOADS = 50
SEVERITIES = {
    "error": (
        "red",
        "Numbers would be wrong. The loader keeps such playlists aside; one in the warehouse fails the build.",
    ),
    "warn": ("yellow", "Not as the dataset should be, and counted as it is."),
    "info": ("gray", "No rule of the dataset, but good to know before one counts."),
}
OUTCOMES = {
    "running": "Under way",
    "succeeded": "Everything landed",
    "refused_some": "Some was refused",
    "failed": "Failed",
    "interrupted": "Interrupted",
    "cut_short": "Cut short",
}
"""What became of a load, in words."""


def layout(**_: object) -> shell.Component:
    """Return the page."""
    [overview] = warehouse().cached("overview")
    rules = warehouse().cached("data_quality")
    # A load may have ended since the build, and is shown at once.
    loads = warehouse().rows("loads", limit=MOST_LOADS)
    return dmc.Stack(
        [
            shell.heading(TITLE, _verdict(overview)),
            components.figures(_figures(overview, rules)),
            _rules(rules),
            _rejects(warehouse().cached("rejects_by_reason"), overview),
            _loads(loads),
        ]
    )


def register(app: dash.Dash) -> None:
    """Nothing happens in this page that its tables do not do by themselves."""


def _verdict(overview: Row) -> str:
    if overview["errors_in_data"]:
        return "Rules are broken in the warehouse that make numbers wrong: see the errors below before using any."
    said = ["No error is in the warehouse: numbers can be relied on."]
    if overview["warnings_in_data"]:
        number = overview["warnings_in_data"]
        rules = "1 other rule is" if number == 1 else f"{number:,} other rules are"
        said.append(f"{rules} broken by rows that are counted as they are.")
    aside = [
        f"{components.number(number)} {word}{'' if number == 1 else 's'}"
        for number, word in ((overview["playlists_rejected"], "playlist"), (overview["slices_refused"], "file"))
        if number
    ]
    if aside:
        said.append(f"Kept aside until put right: {' and '.join(aside)}.")
    return " ".join(said)


def _figures(overview: Row, rules: Sequence[Row]) -> list[tuple[str, str, str | None]]:
    number = components.number
    broken = sum(row["rows_broken"] > 0 for row in rules)
    return [
        ("Playlists", number(overview["playlists"]), f"{number(overview['track_rows'])} tracks in them"),
        ("Kept aside", number(overview["playlists_rejected"]), "playlists that broke a rule"),
        ("Files refused", number(overview["slices_refused"]), "as a whole, and not landed since"),
        ("Rules kept", f"{len(rules) - broken} of {len(rules)}", "by every row"),
    ]


def _rules(rules: Sequence[Row]) -> shell.Component:
    broken = [row for row in rules if row["rows_broken"]]
    said = [_rule(row) for row in broken]
    return shell.panel(
        "Rules of the dataset",
        *(
            [dmc.SimpleGrid(said, cols={"base": 1, "md": 2}, spacing="sm", mb="md")]
            if said
            else [dmc.Text("All are kept.")]
        ),
        components.table(
            "quality-rules",
            "Rules and the rows that break them",
            rules,
            [
                components.column("description", "Rule", **components.LONG),
                components.column("severity", "Severity", width=110, minWidth=110),
                components.column("entity", "Of", width=110, minWidth=100),
                components.column("rows_broken", "Broken by", "whole", minWidth=110),
                components.column("rows_kept_aside", "Kept aside", "whole", minWidth=110, note="Refused by the loader"),
                components.column("rows_checked", "Checked", "whole", minWidth=110),
                components.column("share_broken_pct", "Share", "percent"),
                components.column("reason", "Why this severity", **components.LONG),
            ],
            file="data-quality",
            page_size=12,
        ),
        html.Dl(
            [part for severity, (_, meaning) in SEVERITIES.items() for part in (html.Dt(severity), html.Dd(meaning))],
            className="facts",
        ),
    )


def _rule(row: Row) -> shell.Component:
    aside = row["rows_kept_aside"]
    # What nothing in the warehouse breaks is no cause for alarm.
    colour, badge = (
        ("green", "kept aside") if aside == row["rows_broken"] else (SEVERITIES[row["severity"]][0], row["severity"])
    )
    where = (
        "all kept aside, none in the warehouse"
        if aside == row["rows_broken"]
        else f"{aside:,} of them kept aside"
        if aside
        else "counted as they are"
    )
    return html.Div(
        [
            dmc.Group(
                [
                    dmc.Badge(badge, color=colour, variant="light"),
                    dmc.Text(row["description"], fw=600, size="sm"),
                ],
                gap="xs",
            ),
            dmc.Text(
                f"Broken by {row['rows_broken']:,} of {row['rows_checked']:,} {row['entity']} "
                f"({_share(row['share_broken_pct'])}); {where}.",
                size="sm",
            ),
            dmc.Text(row["reason"], size="xs", c="dimmed"),
        ],
        className="card",
    )


def _rejects(rejects: Sequence[Row], overview: Row) -> shell.Component:
    open_ones = any(row["still_open"] for row in rejects)
    rows = [
        row
        | {
            "meaning": _plain((SLICE_REASONS if row["entity"] == "file" else PLAYLIST_REASONS).get(row["reason"], "")),
            "last": row["last_refused_at"],
        }
        for row in rejects
    ]
    parts: list[shell.Component] = (
        [
            components.table(
                "quality-rejects",
                "What was refused, by reason",
                rows,
                [
                    components.column("entity", "What", width=110, minWidth=100),
                    components.column("reason", "Reason", width=160),
                    components.column("meaning", "What it means", **components.LONG),
                    components.column(
                        "still_open", "Still open", "whole", minWidth=110, note="Nothing has made up for it"
                    ),
                    components.column(
                        "refused", "Refused", "whole", minWidth=110, note="Ever, what was put right included"
                    ),
                    components.column("last", "Last", "date", width=170, minWidth=165),
                ],
                file="rejects-by-reason",
            )
        ]
        if rows
        else [dmc.Text("Nothing was ever refused.")]
    )
    return shell.panel(
        "What was refused",
        *parts,
        *([_how_to_repair(overview)] if open_ones else []),
        note=f"As of the last build, {components.moment(overview['last_loaded_at'])} being the last load that it "
        "knows. The loader lands what is sound, and keeps the rest with its reason: nothing is dropped.",
    )


def _how_to_repair(overview: Row) -> shell.Component:
    return html.Div(
        [
            dmc.Title("Putting it right", order=3, size="h5", mt="md"),
            dmc.Text(
                "Where you have the file, correct it there and load it again. Else take the playlists out of the "
                "database, correct them with an editor, and land them:",
                size="sm",
            ),
            dmc.Code(
                "mixhouse rejects list\n"
                "mixhouse rejects export rejects.json\n"
                "# correct the playlists in rejects.json\n"
                "mixhouse rejects land rejects.json\n"
                "mixhouse run",
                block=True,
                my="xs",
            ),
            *(
                [
                    dmc.Text(
                        "A file that was refused as a whole needs nothing but to be loaded again once it is in order.",
                        size="sm",
                    )
                ]
                if overview["slices_refused"]
                else []
            ),
        ]
    )


def _loads(loads: Sequence[Row]) -> shell.Component:
    rows = [
        row
        | {
            "said": OUTCOMES.get(row["outcome"], row["outcome"]),
            "from": ", ".join(row["paths"]),
            "seconds": None if row["finished_at"] is None else (row["finished_at"] - row["started_at"]).total_seconds(),
            "error": row["error"] or "",
        }
        for row in loads
    ]
    if not rows:
        return shell.panel("Loads", dmc.Text("Nothing was loaded yet."))
    last = rows[0]
    return shell.panel(
        "Loads",
        dmc.Text(
            f"The last one, {components.ago(last['started_at'])}: {last['said'].lower()}, "
            f"{components.number(last['playlists_landed'])} playlists landed.",
            size="sm",
        ),
        components.table(
            "quality-loads",
            "Loads, newest first",
            rows,
            [
                components.column("started_at", "Started", "date", width=170, minWidth=165),
                components.column("said", "Outcome", width=170, minWidth=160),
                components.column("playlists_landed", "Landed", "whole"),
                components.column("playlists_unchanged", "Unchanged", "whole", minWidth=120),
                components.column("playlists_superseding", "New versions", "whole", width=140, minWidth=130),
                components.column("playlists_rejected", "Kept aside", "whole", minWidth=110),
                components.column("slices_refused", "Files refused", "whole", width=140, minWidth=130),
                components.column("seconds", "Seconds", "decimal", minWidth=105),
                components.column("command", "Command", width=120, minWidth=115),
                components.column("from", "From", width=300),
                components.column("error", "What went wrong", width=240),
            ],
            file="loads",
        ),
        note=f"The last {MOST_LOADS} at most; times are UTC.",
    )


def _share(share_pct: float | None) -> str:
    if share_pct is None:
        return "none checked"
    return f"{share_pct:.1f}\N{NO-BREAK SPACE}%" if share_pct >= 0.1 else "less than 0.1\N{NO-BREAK SPACE}%"


def _plain(meaning: str) -> str:
    return meaning.replace("`", "")
