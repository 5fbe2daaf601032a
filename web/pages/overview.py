"""What there is, how fresh and how good it is, what to do next, and what happened last."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import dash
import dash_mantine_components as dmc
from dash import html

from python_ml import artist_trends
from web.database import Row, warehouse
from web.pages import components, popularity, shell
from web.pages.artist import path_of
from web.pages.popularity import counted

PATH = "/"
NAME = "Overview"
TITLE = "Overview"

_MODELS = {"playlist_popularity": ("playlist popularity", "playlist"), "artist_trends": ("artist trends", "artist")}
_LONGEST = 180
_FAILED = frozenset({"failed", "interrupted", "cut_short"})
_UNDER_WAY = frozenset({"queued", "running"})


def layout(**_: object) -> shell.Component:
    """Return the page."""
    [found] = warehouse().cached("overview")
    # What has landed or run since is in no mart, and is asked for anew.
    freshness = warehouse().row("freshness") or {}
    models = warehouse().rows("models_serving")
    return dmc.Stack(
        [
            shell.heading(TITLE, "What is in the warehouse, how good its models are, and what to do next."),
            _made(found),
            components.figures(_sizes(found)),
            dmc.SimpleGrid(
                [_freshness(found, freshness, models), _quality(found, models)], cols={"base": 1, "md": 2}, spacing="md"
            ),
            _next_steps(bool(models)),
            _emerging(),
            _events(),
        ]
    )


def register(app: dash.Dash) -> None:
    """Nothing happens in this page but what its tables and links do."""


def event_in_words(event: Row) -> str:
    """Say what happened, in a sentence.

    Args:
        event: A row of `events`.
    """
    kind, outcome, detail = event["kind"], event["outcome"], event["detail"]
    if kind == "run":
        name = {"build": "A build", "train": "A training", "docs": "Writing the docs"}.get(event["subject"], "A run")
        if outcome in _UNDER_WAY:
            return f"{name}, started here, {'waits for its turn' if outcome == 'queued' else 'is under way'}."
        return f"{name}, started here, {outcome}{f': {detail}' if detail else '.'}"
    if kind in {"training", "scoring"}:
        name, unit = _MODELS.get(event["subject"], (event["subject"], "row"))
        doing = f"Training {name}" if kind == "training" else f"Scoring what is new to the model of {name}"
        if outcome == "running":
            return f"{doing} is under way."
        if outcome in _FAILED:
            return f"{doing} failed{f': {detail}' if detail else '.'}"
        done = f"Trained {name} on" if kind == "training" else f"With the model of {name}, scored"
        return f"{done} {counted(event['rows_done'] or 0, unit)}."
    if kind == "build":
        what = "everything anew" if event["subject"] == "full" else "what was new"
        if outcome == "running":
            return f"Building {what} is under way."
        return f"A build failed{f': {detail}' if detail else '.'}" if outcome in _FAILED else f"Built {what}."
    if outcome == "running":
        return "A load is under way."
    if outcome in _FAILED:
        return f"A load {outcome.replace('_', ' ')}{f': {detail}' if detail else '.'}"
    aside = [
        *([counted(event["rows_kept_aside"], "playlist")] if event["rows_kept_aside"] else []),
        *([counted(event["slices_refused"], "slice")] if event["slices_refused"] else []),
    ]
    return f"Loaded {counted(event['rows_done'] or 0, 'playlist')}" + (
        f", and kept {' and '.join(aside)} aside." if aside else "."
    )


def clusters_in_words(artists: int, candidates: Sequence[Row]) -> list[str]:
    """Say how good the clusters of artists are.

    Args:
        artists: Those in clusters.
        candidates: Rows of `cluster_candidates`.
    """
    sentences = []
    for row in candidates:
        if not row["is_champion"]:
            continue
        is_log = artist_trends.CANDIDATES.get(row["candidate"]) == "log1p"
        silhouette = row["silhouette_log" if is_log else "silhouette_raw"]
        sentences.append(
            f"{counted(artists, 'artist')} in {row['clusters']:.0f} clusters that are "
            f"{artist_trends.apartness(silhouette)} apart: a silhouette of "
            f"{silhouette:.2f}{' on the log scale that made them' if is_log else ''} (1: far apart; 0: they touch)."
        )
        sentences.append(
            f"Fitted again without a fifth of the artists, the groups agree to {row['stability']:.2f} (1: the same; 0: "
            f"chance). The largest has {row['largest_share']:.0%} of the artists."
        )
    return sentences


def _made(found: Row) -> shell.Component:
    if not found["synthetic_playlists"]:
        return None
    words = (
        "Mixhouse made these playlists to try things out. They show that everything works, and say nothing about music."
        if found["synthetic_playlists"] == found["playlists"]
        else f"{found['synthetic_playlists']:,} of the {found['playlists']:,} playlists were made by Mixhouse to try "
        "things out, so no number here is about the others alone."
    )
    return dmc.Alert(words, title="Made playlists", color="yellow", variant="light", className="notice")


def _sizes(found: Row) -> list[tuple[str, str, str | None]]:
    number = components.number
    behind = sum(row["playlists"] for row in warehouse().cached("underperforming_groups"))
    aside = found["playlists_rejected"]
    return [
        ("Playlists", number(found["playlists"]), f"{number(found['collaborative_playlists'])} of them collaborative"),
        ("Tracks", number(found["tracks"]), f"in {number(found['track_rows'])} places of playlists"),
        ("Artists", number(found["artists"]), f"{number(found['artists_clustered'])} of them in clusters"),
        ("Albums", number(found["albums"]), None),
        (
            "Followers a playlist",
            number(found["avg_followers"], 1),
            f"on average; half have {number(found['median_followers'])} or fewer",
        ),
        (
            "Fall behind",
            number(behind) if found["playlists_predicted"] else "-",
            "playlists, by their predicted followers" if found["playlists_predicted"] else "no prediction yet",
        ),
        (
            "Kept aside",
            number(aside),
            "playlists, with reasons" if aside else "no playlist was refused",
        ),
        (
            "Rules broken",
            number(found["errors_in_data"] + found["warnings_in_data"]),
            f"{counted(found['errors_in_data'], 'error')}, {counted(found['warnings_in_data'], 'warning')}",
        ),
    ]


def _freshness(found: Row, freshness: Row, models: Sequence[Row]) -> shell.Component:
    waiting = freshness.get("playlists_waiting") or 0
    entries: list[tuple[str, Any]] = [
        ("Loaded", _when(freshness.get("loaded_at"))),
        (
            "Built",
            [
                _when(freshness.get("built_at")),
                dmc.Text(
                    [
                        f"{counted(waiting, 'playlist')} landed since. ",
                        dmc.Anchor("Start a build", href="/app/runs", underline="always"),
                    ],
                    size="sm",
                )
                if waiting
                else dmc.Text("Everything that landed is in.", size="sm", c="dimmed"),
            ],
        ),
    ]
    trained = {row["model"]: row for row in models}
    sizes = {"playlist_popularity": found["playlists"], "artist_trends": found["artists"]}
    for model, (name, unit) in _MODELS.items():
        row = trained.get(model)
        if row is None:
            what: Any = dmc.Text(
                ["Not trained yet. ", dmc.Anchor("Start a training", href="/app/runs", underline="always")]
            )
        else:
            new = max(sizes[model] - (row["rows_read"] or 0), 0)
            what = [
                _when(row["trained_at"]),
                dmc.Text(
                    f"Trained on {counted(row['rows_read'] or 0, unit)}; "
                    + (f"{counted(new, unit)} more are in the marts since." if new else "the marts have no more now."),
                    size="sm",
                    c="dimmed",
                ),
                *([dmc.Text(f"A later attempt failed: {row['error']}", size="sm", c="red.4")] if row["error"] else []),
            ]
        entries.append((f"Model of {name}", what))
    entries.append(("Newest playlist", _day(found["newest_modified_at"])))
    return shell.panel(
        "How fresh it is",
        html.Dl([html.Div([html.Dt(term), html.Dd(description)]) for term, description in entries], className="terms"),
    )


def _quality(found: Row, models: Sequence[Row]) -> shell.Component:
    trained = {row["model"] for row in models}
    parts: list[Any] = [dmc.Title("Playlist popularity", order=3, size="h5")]
    if "playlist_popularity" in trained:
        sentences = popularity.in_words(
            warehouse().cached("popularity_metrics"),
            warehouse().cached("popularity_champion"),
            warehouse().cached("popularity_candidates"),
        )
        parts += [
            html.Ul([html.Li(sentence) for sentence in sentences], className="words"),
            dmc.Anchor("Playlist popularity in full", href="/app/popularity", size="sm"),
        ]
    else:
        parts.append(dmc.Text("Not trained yet.", c="dimmed"))
    parts.append(dmc.Title("Artist trends", order=3, size="h5", mt="md"))
    if "artist_trends" in trained:
        sentences = clusters_in_words(found["artists_clustered"], warehouse().cached("cluster_candidates"))
        parts += [
            html.Ul([html.Li(sentence) for sentence in sentences], className="words"),
            dmc.Anchor("Artist trends in full", href="/app/artists", size="sm"),
        ]
    else:
        parts.append(dmc.Text("Not trained yet.", c="dimmed"))
    return shell.panel("How good the models are", *parts)


def _next_steps(is_trained: bool) -> shell.Component:
    found = warehouse().cached("next_steps")
    if not found:
        words = (
            "No recommendation rests on clear evidence, and no playlist falls behind its prediction far enough."
            if is_trained
            else "Recommendations appear when a model of playlist popularity is trained."
        )
        return shell.panel("Playlists worth improving", dmc.Text(words, c="dimmed"))
    cards = [
        dmc.Paper(
            [
                dmc.Group(
                    [
                        dmc.Anchor(
                            popularity.title(row["name"]), href=popularity.path(row["pid"]), fw=600, className="title"
                        ),
                        dmc.Badge(row["action"], variant="light", tt="none"),
                    ],
                    justify="space-between",
                    gap="xs",
                ),
                dmc.Text(f"{popularity.upper_first(row['reason'])}.", size="sm", mt=4),
                dmc.Text(
                    f"{counted(row['num_followers'], 'follower')}, {row['predicted_followers']:,.1f} predicted",
                    size="sm",
                    c="dimmed",
                    mt=4,
                ),
            ],
            p="sm",
            withBorder=True,
            className="panel",
        )
        for row in found[:6]
    ]
    return shell.panel(
        "Playlists worth improving",
        dmc.SimpleGrid(cards, cols={"base": 1, "md": 2, "xl": 3}, spacing="sm"),
        dmc.Anchor("All that fall behind", href="/app/popularity", size="sm", mt="sm", display="block"),
        note="Of each kind of advice the playlists with the largest gain that the evidence supports.",
    )


def _emerging() -> shell.Component:
    found = warehouse().cached("emerging_artists")
    if not found:
        return shell.panel(
            "Emerging artists",
            dmc.Text("None found: nobody is in few playlists that many people follow.", c="dimmed"),
        )
    return shell.panel(
        "Emerging artists",
        html.Ul(
            [
                html.Li(
                    [
                        dmc.Anchor(
                            popularity.title(row["artist_name"]),
                            href=path_of(row["artist_uri"]),
                            underline="always",
                        ),
                        dmc.Text(
                            f" · in {counted(row['playlist_appearances'], 'playlist')} with "
                            f"{row['avg_followers']:,.1f} followers on average",
                            span=True,
                            c="dimmed",
                            size="sm",
                        ),
                    ]
                )
                for row in found
            ],
            className="entries",
        ),
        dmc.Anchor("All artists", href="/app/artists", size="sm", mt="sm", display="block"),
        note="In few playlists, but in ones that people follow.",
    )


def _events() -> shell.Component:
    found = warehouse().rows("events")
    return shell.panel(
        "What happened last",
        html.Ol(
            [
                html.Li(
                    [
                        html.Span(state, className=f"state {state.replace(' ', '-')}"),
                        html.Span(_shortened(event_in_words(row)), className="words-of-event"),
                        html.Time(components.ago(at), dateTime=at.isoformat(), title=components.moment(at)),
                    ]
                )
                for row in found
                for state, at in [(_state(row["outcome"]), row["finished_at"] or row["started_at"])]
            ],
            className="events",
        ),
        dmc.Anchor("All runs", href="/app/runs", size="sm", mt="sm", display="block"),
    )


def _shortened(words: str) -> str:
    """Leave the end of a long error to the log and the page of the runs."""
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST].rsplit(maxsplit=1)[0]} …"


def _state(outcome: str) -> str:
    if outcome in _FAILED:
        return "failed"
    return "under way" if outcome in _UNDER_WAY else "done"


def _when(moment: datetime | None) -> shell.Component:
    if moment is None:
        return html.Span("never")
    return html.Span(
        [
            components.ago(moment).capitalize(),
            dmc.Text(f" · {components.moment(moment)}", span=True, size="sm", c="dimmed"),
        ]
    )


def _day(moment: datetime | None) -> shell.Component:
    return html.Span("none" if moment is None else f"last changed on {moment:%-d %B %Y}")
