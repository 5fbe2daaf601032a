"""Charts of the models: frames in, Plotly figures out, for reports and pages alike."""

import html
from collections.abc import Iterable

import numpy as np
import pandas as pd
import plotly.graph_objects as go

ACCENT = "#3fd68a"
TEXT = "#e9f1ec"
MUTED = "#9fb3a8"
GRID = "#26312b"
PANEL = "#141a17"
CLUSTER_COLOURS = (ACCENT, "#f4b955", "#7cb7ff", "#ff8577", "#c49bff")

_THEME = go.layout.Template(
    layout={
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": MUTED, "family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 13},
        "colorway": list(CLUSTER_COLOURS),
        "hoverlabel": {"bgcolor": PANEL, "bordercolor": GRID, "font": {"color": TEXT}, "align": "left"},
        "xaxis": {"gridcolor": GRID, "linecolor": GRID, "zeroline": False, "automargin": True},
        "yaxis": {"gridcolor": GRID, "linecolor": GRID, "zeroline": False, "automargin": True},
        "margin": {"l": 8, "r": 16, "t": 8, "b": 8},
        # A finger that scrolls past a chart must not zoom it.
        "dragmode": False,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "itemsizing": "constant"},
    }
)


def feature_importance(importances: pd.Series) -> go.Figure:
    """Draw how much each feature matters.

    Args:
        importances: Shares of 1, indexed by feature name.
    """
    smallest_first = importances.sort_values(kind="stable")
    bars = go.Bar(
        x=smallest_first.to_list(),
        y=[feature_label(str(feature)) for feature in smallest_first.index],
        orientation="h",
        marker={"color": ACCENT, "cornerradius": 4},
        text=[f"{share:.1%}" for share in smallest_first],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
    )
    # The longest bar leaves room for the number at its end.
    longest = max(float(smallest_first.max()), 0.01)
    return _figure([bars], height=20 + 34 * len(smallest_first)).update_layout(
        xaxis={**_NO_TICKS, "range": [0, longest * 1.4]},
        yaxis={"showgrid": False, "fixedrange": True},
    )


def predicted_against_actual(playlists: pd.DataFrame) -> go.Figure:
    """Draw predicted followers over actual ones, on logarithmic axes, with the line of perfect answers.

    Args:
        playlists: One row a point; columns `name` (null if unknown), `actual` and `predicted` (followers, at least 1).
            Points move by at most a tenth sideways, so that playlists with as many followers do not hide each other.
    """
    spread = np.exp(np.random.default_rng(0).uniform(-0.1, 0.1, len(playlists)))
    highest = float(max(playlists["actual"].max(), playlists["predicted"].max(), 10)) * 1.3
    perfect = go.Scatter(
        x=[0.8, highest],
        y=[0.8, highest],
        mode="lines",
        line={"color": MUTED, "width": 1, "dash": "dot"},
        hoverinfo="skip",
        showlegend=False,
    )
    points = go.Scatter(
        x=(playlists["actual"] * spread).to_numpy(),
        y=playlists["predicted"].to_numpy(),
        mode="markers",
        marker={"color": ACCENT, "size": 6, "opacity": 0.35},
        text=_literal(playlists["name"].fillna("(untitled)")),
        customdata=playlists[["actual"]].to_numpy(),
        hovertemplate="<b>%{text}</b><br>followers %{customdata[0]:,}<br>predicted %{y:,.1f}<extra></extra>",
        showlegend=False,
    )
    limits = [float(np.log10(0.8)), float(np.log10(highest))]
    return _figure([perfect, points], height=460).update_layout(
        xaxis={"title": "actual followers", **_LOGARITHMIC, "range": limits},
        yaxis={"title": "predicted followers", **_LOGARITHMIC, "range": limits},
    )


def cluster_sizes(clusters: pd.DataFrame) -> go.Figure:
    """Draw how many artists each cluster has.

    Args:
        clusters: One row a cluster; columns `cluster_id`, `cluster_name`, `artists` (count).
    """
    smallest_first = clusters.sort_values("artists", kind="stable")
    bars = go.Bar(
        x=smallest_first["artists"].to_list(),
        y=_literal(smallest_first["cluster_name"]),
        orientation="h",
        marker={"color": [cluster_colour(cluster) for cluster in smallest_first["cluster_id"]], "cornerradius": 4},
        text=[f"{artists:,}" for artists in smallest_first["artists"]],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
    )
    return _figure([bars], height=20 + 44 * len(clusters)).update_layout(
        xaxis={**_NO_TICKS, "range": [0, int(clusters["artists"].max()) * 1.35]},
        yaxis={"showgrid": False, "fixedrange": True},
    )


def artist_map(artists: pd.DataFrame) -> go.Figure:
    """Draw artists by how often they appear and how followed the playlists are that have them, coloured by cluster.

    Args:
        artists: One row an artist; columns `name` (null if unknown), `cluster_id`, `cluster_name`,
            `playlist_appearances` (playlists), `avg_followers` (followers).
    """
    traces = [
        go.Scatter(
            x=members["playlist_appearances"].to_numpy(),
            y=members["avg_followers"].to_numpy(),
            mode="markers",
            name=_literal([str(members["cluster_name"].iloc[0])])[0],
            marker={"color": cluster_colour(int(members["cluster_id"].iloc[0])), "size": 7, "opacity": 0.55},
            text=_literal(members["name"].fillna("(unknown)")),
            hovertemplate="<b>%{text}</b><br>in %{x:,} playlists<br>average followers %{y:,.1f}<extra></extra>",
        )
        for _, members in artists.groupby("cluster_id")
    ]
    return _figure(traces, height=520).update_layout(
        xaxis={"title": "playlists with the artist", **_LOGARITHMIC},
        yaxis={"title": "average followers of those playlists", **_LOGARITHMIC},
    )


def cluster_colour(cluster_id: int) -> str:
    """Return the colour of a cluster, the same in every chart and table."""
    return CLUSTER_COLOURS[cluster_id % len(CLUSTER_COLOURS)]


def feature_label(feature: str) -> str:
    """Return the name of a feature as a person would say it: `avg_track_duration` is "Average track duration"."""
    words = feature.removesuffix("_ms").replace("avg_", "average ").replace("num_", "number of ").replace("_", " ")
    return words.capitalize()


# Each bar has its number at its end.
_NO_TICKS = {"showticklabels": False, "showgrid": False, "fixedrange": True}
_LOGARITHMIC = {"type": "log", "dtick": 1, "tickformat": ",", "fixedrange": True}


def _figure(traces: list[go.Scatter | go.Bar], height: int) -> go.Figure:
    return go.Figure(traces, {"template": _THEME, "height": height})


def _literal(names: Iterable[str]) -> list[str]:
    # Plotly reads a small HTML of its own in every text; names are strangers' text and shall appear as they are.
    return [html.escape(name, quote=False) for name in names]


def shares_by_month(trends: pd.DataFrame) -> go.Figure:
    """Draw which share of each month's playlists something has, a line for each name.

    Args:
        trends: One row a name and month; columns `name`, `month`, `share_pct` (per cent), `playlists` (count), in the
            order of the lines and of their months.
    """
    traces = [
        go.Scatter(
            x=list(line["month"]),
            y=line["share_pct"].to_list(),
            mode="lines+markers",
            name=_literal([str(name)])[0],
            line={"color": CLUSTER_COLOURS[position % len(CLUSTER_COLOURS)], "width": 2},
            # Where the colours begin anew, the marks tell lines apart.
            marker={"size": 6, "symbol": _SYMBOLS[position // len(CLUSTER_COLOURS) % len(_SYMBOLS)]},
            customdata=line[["playlists"]].to_numpy(),
            hovertemplate="%{y:.2f} % of %{x|%B %Y}, %{customdata[0]:,} playlists",
        )
        for position, (name, line) in enumerate(trends.groupby("name", sort=False))
    ]
    return _figure(traces, height=380).update_layout(
        xaxis={"type": "date", "fixedrange": True, "showgrid": False},
        yaxis={"title": "share of playlists", "ticksuffix": " %", "rangemode": "tozero", "fixedrange": True},
        hovermode="closest",
        showlegend=True,
    )


def appearances_by_month(months: pd.DataFrame) -> go.Figure:
    """Draw in how many playlists of each month an artist is, beside how many it would be by its share before.

    Args:
        months: One row a month; columns `month`, `playlists`, `expected_playlists`, `month_playlists` (of all).
    """
    bars = go.Bar(
        x=list(months["month"]),
        y=months["playlists"].to_list(),
        name="playlists with the artist",
        marker={"color": ACCENT, "cornerradius": 4},
        customdata=months[["month_playlists"]].to_numpy(),
        hovertemplate="%{x|%B %Y}: %{y:,} of %{customdata[0]:,} playlists<extra></extra>",
    )
    expected = go.Scatter(
        x=list(months["month"]),
        y=months["expected_playlists"].to_list(),
        mode="lines+markers",
        name="expected by its share before",
        line={"color": "#f4b955", "width": 2, "dash": "dot"},
        marker={"size": 6},
        hovertemplate="%{x|%B %Y}: %{y:,.1f} expected<extra></extra>",
    )
    return _figure([bars, expected], height=320).update_layout(
        xaxis={"type": "date", "fixedrange": True, "showgrid": False},
        yaxis={"title": "playlists", "rangemode": "tozero", "fixedrange": True, "tickformat": ","},
    )


def changes(trends: pd.DataFrame) -> go.Figure:
    """Draw by how much what is named rises or falls, the largest rise at the top.

    Args:
        trends: One row a name; columns `name`, `change_pct` (per cent), `direction` (rising, falling, or else).
    """
    largest_last = trends.sort_values("change_pct", kind="stable")
    colours = {"rising": ACCENT, "falling": "#ff8577"}
    bars = go.Bar(
        x=largest_last["change_pct"].to_list(),
        y=_literal(largest_last["name"]),
        orientation="h",
        marker={
            "color": [colours.get(direction, "#5f7268") for direction in largest_last["direction"]],
            "cornerradius": 4,
        },
        text=[f"{change:+.0f} %" for change in largest_last["change_pct"]],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
    )
    furthest = max(float(trends["change_pct"].abs().max()), 1.0)
    lowest = min(float(trends["change_pct"].min()), 0.0)
    return _figure([bars], height=30 + 26 * len(trends)).update_layout(
        xaxis={
            **_NO_TICKS,
            "range": [lowest - 0.6 * furthest, furthest * 1.7],
            "zeroline": True,
            "zerolinecolor": GRID,
        },
        yaxis={"showgrid": False, "fixedrange": True},
    )


_SYMBOLS = ("circle", "diamond", "square", "x")


def permutation_importance(importances: pd.Series) -> go.Figure:
    """Draw how much the error rises when a feature is shuffled.

    Args:
        importances: Rises of the error, indexed by feature name; a negative one has no bar, and its number.
    """
    smallest_first = importances.sort_values(kind="stable")
    bars = go.Bar(
        x=smallest_first.clip(lower=0).to_list(),
        y=[feature_label(str(feature)) for feature in smallest_first.index],
        orientation="h",
        marker={"color": ACCENT, "cornerradius": 4},
        text=[f"{rise:z.4f}" for rise in smallest_first],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
    )
    longest = max(float(smallest_first.max()), 0.0001)
    return _figure([bars], height=20 + 34 * len(smallest_first)).update_layout(
        xaxis={**_NO_TICKS, "range": [0, longest * 1.6]},
        yaxis={"showgrid": False, "fixedrange": True},
    )


def prediction(predicted: float, interval: tuple[int, int], actual: int | None = None) -> go.Figure:
    """Draw one prediction with its interval, and what became of it, on a logarithmic axis of followers.

    Args:
        predicted: Followers, at least 1.
        interval: Lowest and highest followers, both included, at least 1.
        actual: Followers that it has; None leaves them out.
    """
    low, high = interval
    traces = [
        go.Scatter(
            x=[low, high],
            y=[0, 0],
            mode="lines+markers",
            name="interval",
            line={"color": MUTED, "width": 6},
            marker={"symbol": "line-ns", "size": 18, "line": {"color": MUTED, "width": 3}},
            hovertemplate="%{x:,}<extra>interval</extra>",
        ),
        go.Scatter(
            x=[predicted],
            y=[0],
            mode="markers",
            name="predicted",
            marker={"color": ACCENT, "symbol": "diamond", "size": 15},
            hovertemplate="%{x:,.1f}<extra>predicted</extra>",
        ),
    ]
    if actual is not None:
        traces.append(
            go.Scatter(
                x=[max(actual, 0.8)],
                y=[0],
                mode="markers",
                name="actual",
                marker={
                    "color": "rgba(0,0,0,0)",
                    "symbol": "circle",
                    "size": 17,
                    "line": {"color": CLUSTER_COLOURS[1], "width": 3},
                },
                customdata=[actual],
                hovertemplate="%{customdata:,}<extra>actual</extra>",
            )
        )
    highest = max(float(high), predicted, float(actual or 0), 5.0) * 1.5
    return _figure(traces, height=150).update_layout(
        xaxis={
            "title": "followers",
            "type": "log",
            "range": [float(np.log10(0.7)), float(np.log10(highest))],
            "tickvals": _tick_values(highest),
            "tickformat": ",",
            "fixedrange": True,
        },
        yaxis={"visible": False, "range": [-1, 1], "fixedrange": True},
    )


def _tick_values(highest: float) -> list[int]:
    """1, 2, 5, 10, and so on: few enough to be read where the axis is long."""
    digits = (1, 2, 5) if highest < 1_000 else (1,)
    values = [digit * 10**power for power in range(int(np.log10(highest)) + 1) for digit in digits]
    return [value for value in values if value <= highest]
