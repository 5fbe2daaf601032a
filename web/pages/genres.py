"""Genres and trends: how large genres are, which rise and fall, and who is at the top of each."""

from collections.abc import Sequence
from datetime import date

import dash
import dash_mantine_components as dmc
import pandas as pd
from dash import Input, Output, dcc, html

from python_ml import charts
from web.database import Row, warehouse
from web.pages import components, shell
from web.pages.artist import month, path_of
from web.pages.callbacks import typed

PATH = "/genres"
NAME = "Genres"
TITLE = "Genres and trends"

LINES = 4
"""How many genres the chart shows at first."""
MOST_LINES = 10
MOST_CHANGED = 25
MOST_OF_A_GENRE = 50


def layout(**_: object) -> shell.Component:
    """Return the page."""
    genres = warehouse().cached("genres")
    if not genres:
        return dmc.Stack(
            [
                shell.heading(TITLE),
                dmc.Text("No playlist names a genre in its title yet. Load more of them, and build."),
                dmc.Anchor("Start a build", href="/app/runs"),
            ]
        )
    trends = warehouse().frame("genre_months")
    return dmc.Stack(
        [
            shell.heading(
                TITLE,
                "A playlist has the genre that its title names first; most titles name none, and those are left out "
                "here.",
            ),
            components.figures(_figures(genres, trends)),
            _trends(genres, trends),
            _table(genres),
            _of_one(genres),
            _artists(),
        ]
    )


def register(app: dash.Dash) -> None:
    """Draw the genres that are chosen, and show the artists of a genre and of a month."""

    @app.callback(Output("genres-lines", "children"), Input("genres-chosen", "value"), prevent_initial_call=True)
    @typed
    def draw(chosen: list[str] | None) -> shell.Component:
        return components.told(lambda: lines(chosen or []))

    @app.callback(Output("genres-top", "children"), Input("genres-genre", "value"), prevent_initial_call=True)
    @typed
    def show_genre(genre: str | None) -> shell.Component:
        return components.told(lambda: top(genre)) if genre else dash.no_update

    @app.callback(Output("genres-artists", "children"), Input("genres-month", "value"), prevent_initial_call=True)
    @typed
    def show_month(chosen: date | None) -> shell.Component:
        return components.told(lambda: changed(chosen)) if chosen else dash.no_update


def lines(chosen: Sequence[str]) -> shell.Component:
    """Return the chart of the shares of some genres over the months."""
    trends = warehouse().frame("genre_months")
    if not chosen:
        return dmc.Text("Choose genres to compare them.", c="dimmed")
    # In the order in which they were chosen, which is that of the colours.
    shown = pd.concat([trends[trends["genre"] == genre] for genre in chosen[:MOST_LINES]]).rename(
        columns={"genre": "name"}
    )
    if shown.empty:
        return dmc.Text("Too few playlists a month to show these.", c="dimmed")
    return components.chart(
        "genres-shares",
        charts.shares_by_month(shown),
        f"Share of the playlists of each month whose titles name {', '.join(chosen[:MOST_LINES])}.",
    )


def top(genre: str) -> shell.Component:
    """Return who and what is at the top of a genre."""
    artists = [
        row | {"page": path_of(row["artist_uri"])}
        for row in warehouse().cached("artists_of_genre", genre=genre, limit=MOST_OF_A_GENRE)
    ]
    tracks = warehouse().cached("tracks_of_genre", genre=genre, limit=MOST_OF_A_GENRE)
    shares = [
        components.column("playlists", "Playlists", "whole", note="Of the genre"),
        components.column("share_pct", "Share", "percent", note="Of its playlists that name a genre"),
        components.column(
            "lift", "Times usual", "decimal", note="Against what it would be, were all genres alike to it"
        ),
    ]
    return dmc.SimpleGrid(
        [
            html.Div(
                [
                    dmc.Title(f"Artists of {genre}", order=3, size="h5"),
                    components.table(
                        "genres-artists-of",
                        f"Artists whose genre is {genre}, by playlists",
                        artists,
                        [components.column("artist_name", "Artist", link="page", width=220, minWidth=180), *shares],
                        file=f"artists-of-{genre.replace(' ', '-')}",
                    ),
                ]
            ),
            html.Div(
                [
                    dmc.Title(f"Tracks of {genre}", order=3, size="h5"),
                    components.table(
                        "genres-tracks-of",
                        f"Tracks whose genre is {genre}, by playlists",
                        tracks,
                        [
                            components.column("track_name", "Track", width=220, minWidth=180),
                            components.column("artist_name", "Artist", width=220),
                            *shares[:2],
                        ],
                        file=f"tracks-of-{genre.replace(' ', '-')}",
                    ),
                ]
            ),
        ],
        cols={"base": 1, "lg": 2},
        spacing="md",
    )


def changed(chosen: date) -> shell.Component:
    """Return the artists that are furthest from what was expected in a month."""
    rows = [
        row | {"page": path_of(row["artist_uri"])}
        for row in warehouse().cached("artist_changes_of_month", month=chosen, limit=MOST_CHANGED)
    ]
    rising = sum(row["direction"] == "rising" for row in rows)
    falling = sum(row["direction"] == "falling" for row in rows)
    rise = f"{rising or 'none'} of these artists {'are' if rising > 1 else 'is'} rising"
    said = f"{month(chosen)}: {rise}, {falling or 'none'} falling, beyond chance."
    return html.Div(
        [
            dmc.Text(said, size="sm"),
            components.table(
                "genres-changed",
                f"Artists that rose or fell in {month(chosen)}",
                rows,
                [
                    components.column("artist_name", "Artist", link="page", width=220, minWidth=180),
                    components.column("direction", "Direction", width=130, minWidth=120),
                    components.column("change_pct", "Change", "percent", note="Against what was expected"),
                    components.column(
                        "trend_score",
                        "Standard errors",
                        "decimal",
                        width=150,
                        minWidth=150,
                        note="How far beyond chance",
                    ),
                    components.column("playlists", "Playlists", "whole"),
                    components.column("expected_playlists", "Expected", "decimal"),
                    components.column("share_pct", "Share", "percent"),
                    components.column(
                        "share_before_pct",
                        "Share before",
                        "percent",
                        width=140,
                        minWidth=130,
                        note="Of the three months before",
                    ),
                    components.column("share_year_before_pct", "A year before", "percent", width=130, minWidth=130),
                ],
                file=f"artists-rising-and-falling-{chosen:%Y-%m}",
            ),
        ]
    )


def _figures(genres: Sequence[Row], trends: pd.DataFrame) -> list[tuple[str, str, str | None]]:
    number = components.number
    named = sum(row["playlists"] for row in genres)
    share = sum(row["share_of_playlists_pct"] for row in genres)
    latest = trends[trends["month"] == trends["month"].max()] if not trends.empty else trends
    largest = genres[0]
    return [
        ("Genres", number(len(genres)), "that titles name"),
        ("Playlists with a genre", number(named), f"{share:.0f} % of all"),
        ("Largest", largest["genre"].capitalize(), f"{largest['share_of_named_pct']:.0f} % of those with a genre"),
        (
            "Rising",
            number(int((latest["direction"] == "rising").sum())) if not latest.empty else "-",
            f"in {month(latest['month'].iloc[0])}, {int((latest['direction'] == 'falling').sum()) or 'none'} falling"
            if not latest.empty
            else "too few playlists a month to tell",
        ),
    ]


def _trends(genres: Sequence[Row], trends: pd.DataFrame) -> shell.Component:
    title = "Rising and falling"
    if trends.empty:
        return shell.panel(
            title,
            dmc.Text("Too few playlists to speak of months: it takes 200 in a month, and in the three before it."),
        )
    latest = trends[trends["month"] == trends["month"].max()]
    told = latest[latest["direction"] != "too few to tell"].rename(columns={"genre": "name"})
    when = month(latest["month"].iloc[0])
    # What moves is what people want to see first.
    moving = told[told["direction"] != "steady"].sort_values("trend_score", key=abs, ascending=False)["name"]
    known = set(trends["genre"])
    first = list(dict.fromkeys([*moving, *[row["genre"] for row in genres if row["genre"] in known]]))[:LINES]
    left = len(latest) - len(told)
    return shell.panel(
        title,
        dmc.Title(f"{when}, against the three months before", order=3, size="h5"),
        dmc.Text(f"{_said(told, left)} Bars without colour are within what chance does.", size="sm"),
        *(
            [
                components.chart(
                    "genres-changes",
                    charts.changes(told),
                    f"Change of the share of {len(told)} genres in {when}. {_said(told, left)}",
                )
            ]
            if not told.empty
            else []
        ),
        dmc.Title("Share over the months", order=3, size="h5", mt="md"),
        dmc.MultiSelect(
            id="genres-chosen",
            label="Genres",
            data=sorted(known),
            value=first,
            maxValues=MOST_LINES,
            searchable=True,
            clearable=True,
            my="xs",
        ),
        html.Div(lines(first), id="genres-lines"),
        html.Details(
            [
                html.Summary("How this is counted"),
                dmc.Text(
                    "A playlist counts in the month in which it was last changed: early months hold lists that were "
                    "left alone since, the last ones those that are still kept. Both sides of a comparison are "
                    "smoothed: they count as if they had 200 more playlists of the usual kind, so that a few playlists "
                    "do not make a trend. A genre rises or falls if it is three standard errors and a tenth away from "
                    "what was expected; with fewer than 20 playlists nothing is said.",
                    size="sm",
                    mt="xs",
                ),
            ],
            className="more",
        ),
    )


def _said(told: pd.DataFrame, left: int) -> str:
    parts = [
        f"{word}: {', '.join(names)}"
        for word, direction in (("Rising", "rising"), ("Falling", "falling"))
        if (
            names := list(
                told[told["direction"] == direction].sort_values("trend_score", key=abs, ascending=False)["name"]
            )
        )
    ]
    if not parts:
        parts = ["No genre rises or falls beyond chance"]
    if left:
        parts.append(f"{left} genre{' has' if left == 1 else 's have'} too few playlists to tell")
    return ". ".join(parts) + "."


def _table(genres: Sequence[Row]) -> shell.Component:
    rows = [row | {"page": path_of(row["top_artist_uri"])} for row in genres]
    return shell.panel(
        "All genres",
        components.table(
            "genres-all",
            "Genres by the number of their playlists",
            rows,
            [
                components.column("genre", "Genre", width=150),
                components.column("playlists", "Playlists", "whole"),
                components.column("share_of_named_pct", "Share", "percent", note="Of the playlists with a genre"),
                components.column("avg_followers", "Followers", "decimal", note="Average of a playlist"),
                components.column("median_followers", "Median followers", "decimal", width=150, minWidth=150),
                components.column("median_tracks", "Tracks", "whole", note="Median of a playlist"),
                components.column("median_artists", "Artists", "whole", note="Median of a playlist"),
                components.column("median_duration_min", "Minutes", "whole", note="Median of a playlist"),
                components.column("usual_title", "Usual title", width=150, minWidth=130),
                components.column("top_artist_name", "Top artist", link="page", width=200, minWidth=160),
            ],
            file="genres",
            page_size=12,
        ),
    )


def _of_one(genres: Sequence[Row]) -> shell.Component:
    first = genres[0]["genre"]
    return shell.panel(
        "Top of a genre",
        dmc.Select(
            id="genres-genre",
            label="Genre",
            data=[
                {"value": row["genre"], "label": f"{row['genre']} ({row['playlists']:,} playlists)"} for row in genres
            ],
            value=first,
            searchable=True,
            allowDeselect=False,
            maw=360,
            mb="sm",
        ),
        dcc.Loading(html.Div(top(first), id="genres-top"), type="dot", color=charts.ACCENT),
        note="Artists and tracks whose genre it is: its playlists carry them clearly more often than others do. Hits "
        "that are everywhere have none.",
    )


def _artists() -> shell.Component:
    months = [row["month"] for row in warehouse().cached("artist_trend_months")]
    title = "Artists rising and falling"
    if not months:
        return shell.panel(
            title, dmc.Text("No artist is in the 500 playlists that it takes to look at it month by month.")
        )
    return shell.panel(
        title,
        dmc.Select(
            id="genres-month",
            label="Month",
            data=[{"value": found.isoformat(), "label": month(found)} for found in months],
            value=months[0].isoformat(),
            allowDeselect=False,
            maw=240,
            mb="sm",
        ),
        dcc.Loading(html.Div(changed(months[0]), id="genres-artists"), type="dot", color=charts.ACCENT),
        note="Artists in at least 500 playlists, against their share of the three months before, smoothed as above; "
        f"the {MOST_CHANGED} furthest from it either way.",
    )
