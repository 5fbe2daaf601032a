"""One artist: how big it is, where it is heading, what it is like, and what to do with it."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import dash
import dash_mantine_components as dmc
from dash import html

from python_ml import charts
from web.database import Row, warehouse
from web.pages import components, shell
from web.problems import NotFound

PATH = "/artist"
NAME = None
TITLE = "Artist"
PATH_TEMPLATE = "/artists/<artist_id>"

_PREFIX = "spotify:artist:"
MOST_PLAYLISTS = 20
MOST_TRACKS = 25
RECOMMENDATIONS = {
    "emerging": (
        "Emerging",
        "Few playlists carry them yet, but those have many followers, and not by one popular playlist alone. "
        "Worth an early look.",
    ),
    "promote": (
        "Promote",
        "Playlists that carry them have more followers than most, and they are not mainstream yet: more playlists "
        "would find them an audience.",
    ),
    "include_in_playlists": (
        "Include in playlists",
        "Their kind stands out by the followers of the few playlists that carry it. Candidates for more playlists.",
    ),
    "collaborate": (
        "Collaborate",
        "Superstars and the mainstream: the best hundredth by score. Features and shared playlists reach the most "
        "people here.",
    ),
}
"""What each recommendation is called, and what it means."""
STAGES = {
    "superstar": "the best thousandth of all artists by score",
    "mainstream": "the rest of the best hundredth by score",
    "mid-level": "the rest of the best tenth by score",
    "developing": "below the best tenth by score",
}
"""What each stage means."""


def path_of(artist_uri: str | None) -> str | None:
    """Return the address of the page of an artist; None for none."""
    return None if artist_uri is None else f"/app/artists/{artist_uri.removeprefix(_PREFIX)}"


def layout(artist_id: str | None = None, **_: object) -> shell.Component:
    """Return the page.

    Args:
        artist_id: URI of the artist, or what follows `spotify:artist:` in it.
    """
    artist = _find(artist_id)
    recommended = warehouse().cached("recommendations_of_artist", artist_uri=artist["artist_uri"])
    return dmc.Stack(
        [
            _head(artist),
            components.figures(_figures(artist)),
            *([_recommendations(recommended)] if recommended else []),
            dmc.SimpleGrid([_months(artist), _cluster(artist)], cols={"base": 1, "lg": 2}, spacing="md"),
            _similar(artist),
            dmc.SimpleGrid([_tracks(artist), _playlists(artist)], cols={"base": 1, "lg": 2}, spacing="md"),
            _genres(artist),
        ]
    )


def named(artist_id: str) -> str:
    """Return what the page is about."""
    name: str = _find(artist_id)["artist_name"] or TITLE
    return name


def register(app: dash.Dash) -> None:
    """Nothing happens in this page that its tables and links do not do by themselves."""


def _find(artist_id: str | None) -> Row:
    key = (artist_id or "").removeprefix(_PREFIX)
    # Whatever else stands in the address is the key of no artist, and need not be looked for.
    artists = (
        warehouse().cached("artist_profile", artist_uri=_PREFIX + key) if re.fullmatch("[0-9A-Za-z]{22}", key) else []
    )
    if not artists:
        raise NotFound("No playlist here has an artist with this address. Look for it by name in Artist trends.")
    return artists[0]


def _head(artist: Row) -> shell.Component:
    return dmc.Stack(
        [
            dmc.Anchor("Artist trends", href="/app/artists", size="sm"),
            dmc.Group(
                [
                    dmc.Title(artist["artist_name"] or "(no name)", order=1, size="h2", className="breakable"),
                    dmc.Badge(artist["stage"], variant="light", size="lg"),
                ],
                gap="sm",
            ),
            dmc.Text(
                f"In {_playlists_said(artist['playlist_appearances'])}, {_percent(artist['share_of_playlists_pct'])} "
                f"of all, last changed from {month(artist['first_modified_month'])} to "
                f"{month(artist['last_modified_month'])}.",
                c="dimmed",
            ),
        ],
        gap=4,
        mb="xs",
    )


def _figures(artist: Row) -> list[tuple[str, str, str | None]]:
    number = components.number
    return [
        ("Score", number(artist["artist_score"], 1), "0 to 100, of reach and playlists"),
        ("Rank", f"#{number(artist['artist_rank'])}", f"of {number(artist['all_artists'])} artists"),
        ("Stage", artist["stage"].capitalize(), STAGES.get(artist["stage"])),
        ("Reach", number(artist["reach"]), "followers of the playlists that carry it"),
        (
            "Playlists",
            number(artist["playlist_appearances"]),
            f"rank {number(artist['appearances_rank'])} by playlists",
        ),
        (
            "Followers a playlist",
            number(artist["avg_followers"], 1),
            f"on average; median {median_said(artist['median_followers'])}",
        ),
        ("Tracks", number(artist["track_count"]), f"listed {_times(artist['track_appearances'])}"),
        (
            "Engagement",
            f"above {_floor_percent(artist['followers_percentile'])} %",
            "of the artists, by followers a playlist",
        ),
    ]


def _recommendations(recommended: Sequence[Row]) -> shell.Component:
    parts = []
    for row in recommended:
        name, meaning = RECOMMENDATIONS.get(row["recommendation"], (row["recommendation"], ""))
        parts.append(
            html.Div(
                [
                    dmc.Group(
                        [
                            dmc.Title(name, order=3, size="h5"),
                            dmc.Badge(f"place {row['recommendation_rank']:,}", variant="outline", tt="none"),
                        ],
                        gap="xs",
                    ),
                    dmc.Text(meaning, size="sm"),
                    dmc.Text(f"Why: {row['reason']}.", size="sm", c="dimmed"),
                ]
            )
        )
    return shell.panel("What to do", dmc.Stack(parts, gap="md"))


def _months(artist: Row) -> shell.Component:
    months = warehouse().frame("artist_months", artist_uri=artist["artist_uri"], artist_id=artist["artist_id"])
    jumps = warehouse().cached("jumps_of_artist", artist_uri=artist["artist_uri"])
    title = "Appearances over time"
    if months.empty:
        return shell.panel(
            title,
            dmc.Text(
                "Too few playlists to speak of months: counts below about ten change by a third and more by chance "
                "alone.",
            ),
        )
    last = months.iloc[-1]
    said = (
        f"{month(last['month'])}: in {last['playlists']:,.0f} of {last['month_playlists']:,.0f} playlists, "
        f"where its share before would give {last['expected_playlists']:,.1f}."
    )
    return shell.panel(
        title,
        components.chart(
            "artist-months",
            charts.appearances_by_month(months),
            f"Playlists with the artist in each of {len(months)} months, beside how many were expected. {said}",
        ),
        dmc.Text(said, size="sm"),
        *[dmc.Text(_jump(jump), size="sm") for jump in jumps],
        note="By the month in which playlists were last changed. The months at the end have the lists that are still "
        "looked after, those at the start the ones that were left alone.",
    )


def _jump(jump: Row) -> str:
    verb = "Jumped up" if jump["direction"] == "up" else "Fell"
    return f"{verb} in {month(date.fromisoformat(jump['month'] + '-01'))}: {jump['reason']}."


def _cluster(artist: Row) -> shell.Component:
    title = "Kind of artist"
    if artist["cluster_id"] is None:
        return shell.panel(
            title,
            dmc.Text("Not known yet: artists are told apart when the models are trained."),
            dmc.Anchor("Start a training", href="/app/runs"),
        )
    closer = artist["similarity_score"]
    return shell.panel(
        title,
        dmc.Stack(
            [
                dmc.Group(
                    [
                        cluster_mark(artist["cluster_id"]),
                        dmc.Text(artist["cluster_name"], fw=700),
                        dmc.Text(f"{artist['cluster_artists']:,} artists", c="dimmed", size="sm"),
                    ],
                    gap="xs",
                ),
                dmc.Text(artist["cluster_description"]),
                dmc.Text(f"{artist['comparison'][:1].upper()}{artist['comparison'][1:]}.", size="sm", c="dimmed"),
                dmc.Progress(
                    value=100 * closer,
                    size="lg",
                    color=charts.cluster_colour(artist["cluster_id"]),
                    **{"aria-label": "Share of its kind that is less typical than this artist"},
                ),
                dmc.Text(f"{typicality(closer)}.", size="sm"),
                _beside_its_kind(artist),
                dmc.Text(f"As of {components.moment(artist['last_processed'])}.", size="xs", c="dimmed"),
            ],
            gap="xs",
        ),
    )


def typicality(similarity: float) -> str:
    """Say how typical of its cluster an artist is.

    Args:
        similarity: Share of the other members that are farther from the middle of the cluster.
    """
    share = int(100 * similarity)
    if similarity >= 0.75:
        return f"A textbook case: {share} % of its kind are farther from the middle of it"
    if similarity >= 0.25:
        return f"An ordinary member: {share} % of its kind are farther from the middle of it"
    if share:
        return f"At the edge: only {share} % of its kind are farther from the middle of it"
    return "At the very edge: hardly any of its kind is farther from the middle of it"


def _beside_its_kind(artist: Row) -> shell.Component:
    pairs = (
        ("Playlists", components.number(artist["playlist_appearances"]), artist["cluster_playlists"]),
        ("Followers a playlist", components.number(artist["avg_followers"], 1), artist["cluster_followers"]),
        ("Tracks", components.number(artist["track_count"]), artist["cluster_tracks"]),
        ("Score", components.number(artist["artist_score"], 1), artist["cluster_score"]),
    )
    return html.Dl(
        [
            part
            for caption, value, usual in pairs
            for part in (html.Dt(caption), html.Dd(f"{value}, median of its kind {median_said(usual)}"))
        ],
        className="facts",
    )


def _similar(artist: Row) -> shell.Component:
    rows = [
        row | {"page": path_of(row["artist_uri"])}
        for row in warehouse().cached("similar_to_artist", artist_uri=artist["artist_uri"])
    ]
    if not rows:
        return shell.panel(
            "Similar artists",
            dmc.Text(
                "None that can be told: it takes ten playlists with the artist in the sample of 10,000 that is looked "
                "at, and five that two artists share."
            ),
        )
    return shell.panel(
        "Similar artists",
        components.table(
            "artist-similar",
            f"Artists similar to {artist['artist_name']}",
            rows,
            [
                components.column("artist_name", "Artist", link="page", width=220, minWidth=180),
                components.column("shared_playlists", "Shared playlists", "whole", width=150, minWidth=150),
                components.column(
                    "expected_shared_playlists",
                    "By chance",
                    "decimal",
                    note="How many two such artists share by chance",
                ),
                components.column(
                    "lift", "Times chance", "decimal", note="Shared playlists, in times what chance gives"
                ),
                components.column(
                    "score", "At least", "decimal", note="The lower end of that, three standard errors down"
                ),
                components.column("stage", "Stage", width=120, minWidth=120),
                components.column("playlist_appearances", "Playlists", "whole", minWidth=105),
            ],
            file="similar-artists",
        ),
        note="Those that share more playlists with it than chance would give, in a sample of 10,000 playlists with up "
        "to 30 artists.",
    )


def _tracks(artist: Row) -> shell.Component:
    return shell.panel(
        "Top tracks",
        components.table(
            "artist-tracks",
            f"Tracks of {artist['artist_name']} in most playlists",
            warehouse().cached("tracks_of_artist", artist_id=artist["artist_id"], limit=MOST_TRACKS),
            [
                components.column("track_name", "Track", width=220, minWidth=180),
                components.column("playlist_appearances", "Playlists", "whole", minWidth=105),
                components.column(
                    "share_in_first_ten_pct",
                    "In first ten",
                    "percent",
                    minWidth=115,
                    note="How often it stands among the first ten of a playlist; empty for tracks in few playlists",
                ),
                components.column(
                    "last_seen", "Last seen", "date", minWidth=120, note="Last change of a playlist that has it"
                ),
            ],
            file="top-tracks",
        ),
        note=f"The {MOST_TRACKS} in most playlists." if artist["track_count"] > MOST_TRACKS else None,
    )


def _playlists(artist: Row) -> shell.Component:
    found = warehouse().cached(
        "playlists_with_artist",
        artist_id=artist["artist_id"],
        track_appearances=artist["track_appearances"],
        limit=MOST_PLAYLISTS,
    )
    rows = [row | {"name": row["name"] or "(untitled)", "page": f"/app/playlists/{row['pid']}"} for row in found]
    return shell.panel(
        "Most followed playlists with it",
        components.table(
            "artist-playlists",
            f"Playlists with the most followers that carry {artist['artist_name']}",
            rows,
            [
                components.column("name", "Playlist", link="page", width=220, minWidth=180),
                components.column("num_followers", "Followers", "whole", minWidth=110),
                components.column(
                    "artist_tracks", "Its tracks", "whole", note="Positions that tracks of the artist hold"
                ),
                components.column("genre", "Genre", width=120, minWidth=110),
            ],
            file="playlists-with-artist",
        ),
        note="Whom to talk to about the next release.",
    )


def _genres(artist: Row) -> shell.Component:
    rows = warehouse().cached("genres_of_artist", artist_id=artist["artist_id"])
    if not rows:
        return shell.panel(
            "Genres",
            dmc.Text("Too few playlists that name a genre in their title carry it: it takes five of one genre."),
        )
    primary = next((row["genre"] for row in rows if row["is_primary"]), None)
    said = f"Its genre is {primary}." if primary else "It is in playlists of all kinds, and has no genre of its own."
    return shell.panel(
        "Genres",
        dmc.Text(said, mb="xs"),
        components.table(
            "artist-genres",
            f"Genres of the playlists that carry {artist['artist_name']}",
            rows,
            [
                components.column("genre", "Genre"),
                components.column("playlists", "Playlists", "whole", note="Of the genre, with the artist"),
                components.column("share_pct", "Share", "percent", note="Of its playlists that name a genre"),
                components.column("expected_share_pct", "Usual share", "percent", note="Were all genres alike to it"),
                components.column(
                    "lift", "Times usual", "decimal", note="Smoothed, so that few playlists count for less"
                ),
            ],
            file="genres-of-artist",
        ),
        note="Genres are read off the titles of playlists.",
    )


def cluster_mark(cluster_id: int) -> shell.Component:
    """Return a dot in the colour that the cluster has in every chart."""
    return html.Span(className="mark", style={"background": charts.cluster_colour(cluster_id)}, **_DECORATION)


def median_said(value: float | None) -> str:
    """Return a median as people read it: a whole number, unless it lies between two."""
    return components.number(value, 0 if value is None or float(value).is_integer() else 1)


def month(value: Any) -> str:
    """Return a month as people read it: `October 2017`."""
    return f"{value:%B %Y}"


def _playlists_said(count: int) -> str:
    return "1 playlist" if count == 1 else f"{count:,} playlists"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _percent(value: float) -> str:
    return f"{value:.1f} %" if value >= 0.1 else "less than 0.1 %"


def _floor_percent(share: float) -> int:
    # Nobody is above all of them, itself included.
    return min(int(100 * share), 99)


_DECORATION = {"aria-hidden": "true"}
