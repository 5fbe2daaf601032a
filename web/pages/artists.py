"""Artist trends: what kinds of artists there are, who is emerging, who rose and fell, and where to find one."""

from collections.abc import Sequence
from typing import Annotated, Any

import dash
import dash_mantine_components as dmc
from dash import Input, Output, dcc, html
from pydantic import Field

from python_ml import charts
from python_ml.reports import candidate_label
from web.database import Row, warehouse
from web.pages import components, shell
from web.pages.artist import RECOMMENDATIONS, STAGES, cluster_mark, median_said, month, path_of
from web.pages.callbacks import typed

PATH = "/artists"
NAME = "Artist trends"
TITLE = "Artist trends"

FOUND = 8
"""How many artists a search by name shows."""
POINTS_A_CLUSTER = 250
MOST_RECOMMENDED = 100
MOST_MOVERS = 15
MOST_JUMPS = 200
MOST_BY_SCORE = 200

Cluster = Annotated[int, Field(ge=0, lt=2**31)]
"""The number of a kind of artists."""


def layout(**_: object) -> shell.Component:
    """Return the page."""
    [overview] = warehouse().cached("overview")
    clusters = warehouse().cached("cluster_profiles")
    counts = {row["recommendation"]: row["artists"] for row in warehouse().cached("artist_recommendation_counts")}
    return dmc.Stack(
        [
            shell.heading(
                TITLE,
                "Who is big, who is coming, and what kinds of artists there are, read off the playlists that carry "
                "them.",
            ),
            _search(),
            components.figures(_figures(overview, clusters, counts)),
            _recommended(counts),
            *(_clusters(clusters) if clusters else [_untrained()]),
            _movers(),
            _by_score(clusters),
        ]
    )


def register(app: dash.Dash) -> None:
    """Search by name, and answer the filters of the table of all artists."""

    @app.callback(Output("artists-found", "children"), Input("artists-name", "value"), prevent_initial_call=True)
    @typed
    def search(name: str | None) -> shell.Component:
        return components.told(lambda: found(name or ""))

    @app.callback(
        Output("artists-best", "children"),
        Input("artists-prefix", "value"),
        Input("artists-cluster", "value"),
        Input("artists-stage", "value"),
        prevent_initial_call=True,
    )
    @typed
    def choose(prefix: str | None, cluster: Cluster | None, stage: str | None) -> shell.Component:
        return components.told(lambda: best(prefix, cluster, stage))


def found(name: str) -> shell.Component:
    """Return the artists whose name begins with a text, as links."""
    name = name.strip()
    if not name:
        return None
    rows = warehouse().cached("artists_by_name", prefix=name, limit=FOUND)
    if not rows:
        return dmc.Text("No artist in the playlists has a name that begins so.", c="dimmed", size="sm")
    return html.Ul(
        [
            html.Li(
                dcc.Link(
                    [
                        html.Span(row["artist_name"], className="found-name"),
                        html.Span(
                            f"{row['stage']} · {row['playlist_appearances']:,} playlists · rank {row['artist_rank']:,}",
                            className="found-note",
                        ),
                    ],
                    href=path_of(row["artist_uri"]),
                )
            )
            for row in rows
        ],
        className="found",
    )


def best(prefix: str | None, cluster: int | None, stage: str | None) -> shell.Component:
    """Return the table of the artists with the highest scores.

    Args:
        prefix: What their names begin with; all if there is none.
        cluster: Number of their cluster; of any if there is none.
        stage: Their stage; any if there is none.
    """
    prefix = (prefix or "").strip() or None
    rows = _linked(
        warehouse().cached(
            "artists_by_score",
            prefix=prefix,
            cluster_id=cluster,
            stage=stage or None,
            limit=MOST_BY_SCORE,
        )
    )
    if not rows:
        return dmc.Text("No artist is like that. Choose less.", c="dimmed")
    said = (
        f"The best {len(rows):,} of these by score; narrow them down to see others."
        if len(rows) == MOST_BY_SCORE
        else f"{len(rows):,} artist{'' if len(rows) == 1 else 's'}."
    )
    return html.Div(
        [
            dmc.Text(said, size="sm", c="dimmed", **{"aria-live": "polite"}),
            components.table(
                "artists-best",
                "Artists by score",
                rows,
                [
                    components.column("artist_rank", "Rank", "whole", width=90),
                    components.column("artist_name", "Artist", link="page", width=220, minWidth=180),
                    components.column("artist_score", "Score", "decimal", note="0 to 100, of reach and playlists"),
                    components.column("stage", "Stage", width=120, minWidth=120),
                    components.column("cluster_name", "Kind", width=140, minWidth=130),
                    components.column("reach", "Reach", "whole", note="Followers of the playlists that carry it"),
                    components.column("playlist_appearances", "Playlists", "whole"),
                    components.column("avg_followers", "Followers a playlist", "decimal", width=180, minWidth=180),
                    components.column("track_count", "Tracks", "whole"),
                ],
                file="artists-by-score",
                page_size=15,
            ),
        ]
    )


def _search() -> shell.Component:
    return dmc.Paper(
        [
            dmc.TextInput(
                id="artists-name",
                label="Find an artist",
                placeholder="Begin to type a name",
                debounce=250,
                size="md",
                autoComplete="off",
            ),
            html.Div(id="artists-found", **{"aria-live": "polite"}),
        ],
        p="md",
        withBorder=True,
        className="panel",
    )


def _figures(overview: Row, clusters: Sequence[Row], counts: dict[str, int]) -> list[tuple[str, str, str | None]]:
    number = components.number
    return [
        ("Artists", number(overview["artists"]), f"in {number(overview['playlists'])} playlists"),
        (
            "Kinds",
            number(len(clusters)) if clusters else "-",
            f"as of {components.moment(_trained_at())}" if clusters else "not trained yet",
        ),
        ("Emerging", number(counts["emerging"]), "few playlists, many followers"),
        ("To work with", number(counts["collaborate"]), "superstars and the mainstream"),
    ]


def _trained_at() -> Any:
    candidates = warehouse().cached("cluster_candidates")
    return candidates[0]["finished_at"] if candidates else None


def _untrained() -> shell.Component:
    return shell.panel(
        "Kinds of artists",
        dmc.Text("Artists are told apart when the models are trained, which has not been done yet."),
        dmc.Anchor("Start a training", href="/app/runs"),
    )


def _recommended(counts: dict[str, int]) -> shell.Component:
    first = next((name for name in RECOMMENDATIONS if counts[name]), next(iter(RECOMMENDATIONS)))
    return shell.panel(
        "Whom to look at",
        dmc.Tabs(
            [
                dmc.TabsList(
                    [
                        dmc.TabsTab(f"{title} ({counts[name]:,})", value=name)
                        for name, (title, _) in RECOMMENDATIONS.items()
                    ]
                ),
                *[dmc.TabsPanel(_recommended_as(name, counts[name]), value=name, pt="sm") for name in RECOMMENDATIONS],
            ],
            value=first,
            keepMounted=False,
        ),
        note="Each with its reason. Only artists in at least three playlists are judged.",
    )


def _recommended_as(name: str, count: int) -> shell.Component:
    title, meaning = RECOMMENDATIONS[name]
    if not count:
        return dmc.Stack([dmc.Text(meaning), dmc.Text("Nobody at the moment.", c="dimmed")], gap="xs")
    rows = _linked(warehouse().cached("artists_recommended", recommendation=name, limit=MOST_RECOMMENDED))
    shown = f" The first {MOST_RECOMMENDED} of {count:,}." if count > MOST_RECOMMENDED else ""
    return html.Div(
        [
            dmc.Text(meaning + shown, size="sm"),
            components.table(
                f"artists-{name}",
                f"Artists recommended: {title}",
                rows,
                [
                    components.column("recommendation_rank", "Place", "whole", width=80, minWidth=80),
                    components.column("artist_name", "Artist", link="page", width=220, minWidth=180),
                    components.column("playlist_appearances", "Playlists", "whole", width=110, minWidth=105),
                    components.column("median_followers", "Median followers", "decimal", width=160, minWidth=155),
                    components.column("stage", "Stage", width=120),
                    components.column("reason", "Why", **components.LONG),
                ],
                file=f"artists-to-{name.replace('_', '-')}" if name != "emerging" else "emerging-artists",
            ),
        ]
    )


def _clusters(clusters: Sequence[Row]) -> list[shell.Component]:
    sampled = warehouse().frame("artists_sampled", limit=POINTS_A_CLUSTER)
    return [
        shell.panel(
            "Kinds of artists",
            dmc.SimpleGrid(
                [_cluster(cluster) for cluster in clusters], cols={"base": 1, "sm": 2, "lg": 3}, spacing="sm"
            ),
            _why(),
            note="Groups that k-means finds in how often artists are listed, how followed those playlists are, and "
            "with how many tracks. Their names come from rules over what is typical of them.",
        ),
        shell.panel(
            "Map of artists",
            components.chart(
                "artists-map",
                charts.artist_map(sampled),
                f"{len(sampled):,} artists by the number of playlists that carry them and the average followers of "
                "these, coloured by kind.",
            ),
            note=f"Up to {POINTS_A_CLUSTER} of each kind, drawn by lot. Both axes are logarithmic.",
        ),
    ]


def _cluster(cluster: Row) -> shell.Component:
    number = components.number
    return html.Article(
        [
            dmc.Group(
                [
                    cluster_mark(cluster["cluster_id"]),
                    dmc.Title(cluster["cluster_name"], order=3, size="h5"),
                    dmc.Text(f"{cluster['share_of_artists_pct']:.0f} %", fw=700, ml="auto", className="figure"),
                ],
                gap="xs",
            ),
            dmc.Progress(
                value=cluster["share_of_artists_pct"],
                color=charts.cluster_colour(cluster["cluster_id"]),
                size="sm",
                my=6,
                **{"aria-label": f"Share of the artists: {cluster['cluster_name']}"},
            ),
            dmc.Text(cluster["cluster_description"], size="sm"),
            html.Dl(
                [
                    part
                    for caption, value in (
                        ("Artists", number(cluster["num_artists"])),
                        ("Of all places in playlists", f"{cluster['share_of_tracks_pct']:.1f} %"),
                        (
                            "Playlists",
                            _typical(cluster["avg_playlist_appearances"], cluster["median_playlist_appearances"]),
                        ),
                        ("Followers a playlist", _typical(cluster["avg_followers"], cluster["median_followers"])),
                        ("Tracks", _typical(cluster["avg_track_count"], cluster["median_track_count"])),
                    )
                    for part in (html.Dt(caption), html.Dd(value))
                ],
                className="facts",
            ),
            dmc.Text(f"{cluster['comparison'][:1].upper()}{cluster['comparison'][1:]}.", size="xs", c="dimmed"),
            dmc.Text(["Best by score: ", cluster["best_artists"]], size="xs", mt=6, className="breakable"),
        ],
        className="card",
    )


def _typical(mean: float, median: float) -> str:
    return f"{components.number(mean, 1)} on average, median {median_said(median)}"


def _why() -> shell.Component:
    candidates = warehouse().cached("cluster_candidates")
    if not candidates:
        return None
    rows = [row | {"name": candidate_label(row["candidate"]) + " (serves)" * row["is_champion"]} for row in candidates]
    return html.Details(
        [
            html.Summary("Why these kinds, and how good they are"),
            dmc.Text(_verdict(candidates), size="sm", mt="xs"),
            dmc.Text(
                "Silhouette: 1 if kinds are far apart, 0 if they touch. Stability: 1 if the same groups are found "
                "again without a fifth of the artists, 0 if by chance alone.",
                size="sm",
                c="dimmed",
                my="xs",
            ),
            components.table(
                "artists-candidates",
                "Candidates compared",
                rows,
                [
                    components.column("name", "Candidate", width=240, minWidth=200, **components.FEW),
                    components.column("clusters", "Kinds", "whole", **components.FEW),
                    components.column("largest_share", "In the largest", "share", **components.FEW),
                    components.column("stability", "Stability", "precise", **components.FEW),
                    components.column("silhouette_raw", "Silhouette, as measured", "precise", **components.FEW),
                    components.column("silhouette_log", "Silhouette, log scale", "precise", **components.FEW),
                ],
                file="artist-clusterings",
            ),
        ],
        className="more",
    )


def _verdict(candidates: Sequence[Row]) -> str:
    """Say which way of clustering serves, and why, in words."""
    serving = next((row for row in candidates if row["is_champion"]), candidates[0])
    other = next((row for row in candidates if row["candidate"] == "specified"), None)
    if serving["candidate"] == "log_scaled" and other is not None:
        return (
            f"Clusters on a log scale serve: taken as measured, {other['largest_share']:.0%} of the artists would be "
            f"in one heap, and kinds would tell apart a few giants only. Here the largest has "
            f"{serving['largest_share']:.0%}, and on that scale they are farther apart "
            f"({serving['silhouette_log']:.2f} against {other['silhouette_log']:.2f}). The price is a lower silhouette "
            f"as measured ({serving['silhouette_raw']:.2f} against {other['silhouette_raw']:.2f})."
        )
    return (
        f"The five clusters of the specification serve: the largest has {serving['largest_share']:.0%} of the artists, "
        "and clusters on a log scale were not better in all that counts."
    )


def _movers() -> shell.Component:
    movers = warehouse().cached("artist_movers", limit=MOST_MOVERS)
    jumps = warehouse().cached("artist_jumps", limit=MOST_JUMPS)
    title = "Risers and fallers"
    if not movers:
        return shell.panel(
            title,
            dmc.Text(
                "Too few playlists to tell: a month is compared with the six before it, artist by artist, from ten on."
            ),
        )
    latest = max(row["modified_month"] for row in movers)
    everyone = movers[0]["all_playlists"]
    columns = [
        components.column("artist_name", "Artist", link="page", width=220, minWidth=180),
        components.column("stage", "Stage", width=120, minWidth=110),
        components.column("playlists", "Playlists", "whole", minWidth=100, note=f"Of the {everyone:,} of the month"),
        components.column("expected_playlists", "Expected", "decimal", note="By its share of the six months before"),
        components.column(
            "movement",
            "Movement",
            "decimal",
            minWidth=115,
            note="In spreads of its stage: beyond 2 is unusual, beyond 5 next to impossible by chance",
        ),
    ]
    up = [row for row in movers if row["movement"] > 0][:MOST_MOVERS]
    down = [row for row in reversed(movers) if row["movement"] < 0][:MOST_MOVERS]
    parts = [
        html.Div(
            [
                dmc.Title(f"{word} in {month(latest)}", order=3, size="h5", mt="sm"),
                components.table(
                    f"artists-{word.lower()}",
                    f"Artists that {word.lower()} most in {month(latest)}",
                    _linked([row | {"modified_month": None} for row in rows]),
                    columns,
                    file=f"artists-that-{word.lower()}-{latest:%Y-%m}",
                    page_size=6,
                ),
            ]
        )
        for word, rows in (("Rose", up), ("Fell", down))
    ]
    return shell.panel(
        title,
        *parts,
        dmc.Title("Jumps", order=3, size="h5", mt="md"),
        *_jumps(jumps),
        note="Playlists last changed in the month, against the share of the six months before, and against what is "
        "usual for artists of the same stage. A month is that of the last change of a playlist, not of when the artist "
        "came in.",
    )


def _jumps(jumps: Sequence[Row]) -> list[shell.Component]:
    if not jumps:
        return [
            dmc.Text(
                "No artist jumped in the last two years: moved by five spreads, and by half as much again at least.",
                size="sm",
            )
        ]
    return [
        components.table(
            "artists-jumps",
            "Artists that jumped, newest first",
            _linked(jumps),
            [
                components.column("month", "Month", "month", width=110),
                components.column("direction", "Way", width=90, minWidth=90),
                components.column("artist_name", "Artist", link="page", width=220, minWidth=180),
                components.column("reason", "Why", **components.LONG),
                components.column("movement", "Movement", "decimal", width=120, minWidth=115),
            ],
            file="artist-jumps",
        )
    ]


def _by_score(clusters: Sequence[Row]) -> shell.Component:
    return shell.panel(
        "All artists by score",
        dmc.SimpleGrid(
            [
                dmc.TextInput(id="artists-prefix", label="Name begins with", debounce=300, autoComplete="off"),
                dmc.Select(
                    id="artists-cluster",
                    label="Kind",
                    placeholder="Any",
                    clearable=True,
                    disabled=not clusters,
                    data=[{"value": str(row["cluster_id"]), "label": row["cluster_name"]} for row in clusters],
                ),
                dmc.Select(
                    id="artists-stage",
                    label="Stage",
                    placeholder="Any",
                    clearable=True,
                    data=[{"value": stage, "label": f"{stage}: {meaning}"} for stage, meaning in STAGES.items()],
                ),
            ],
            cols={"base": 1, "sm": 3},
            mb="sm",
        ),
        dcc.Loading(html.Div(best(None, None, None), id="artists-best"), type="dot", color=charts.ACCENT),
        note="Score: reach and playlists, each as a logarithm; playlists weigh more. These filters look through all "
        "artists; those within the table through the ones that it shows.",
    )


def _linked(rows: Sequence[Row]) -> list[Row]:
    return [row | {"page": path_of(row["artist_uri"])} for row in rows]
