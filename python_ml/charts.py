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
CLUSTER_COLOURS = (ACCENT, "#f4b955", "#7cb7ff", "#ff8577", "#c49bff", "#d3dbd6")
"""One for each cluster that `artist_trends` may find."""

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
    """Draw how much each feature matters to the trees of a forest.

    Args:
        importances: Shares of 1, indexed by feature name.
    """
    return _importance_bars(importances, "{:.1%}", 0.01)


def permutation_importance(importances: pd.Series) -> go.Figure:
    """Draw how much the error rises when a feature is shuffled.

    Args:
        importances: Rises of the error, indexed by feature name; a negative one has no bar, and its number.
    """
    return _importance_bars(importances, "{:z.4f}", 0.0001)


def _importance_bars(importances: pd.Series, number: str, shortest: float) -> go.Figure:
    smallest_first = importances.sort_values(kind="stable")
    bars = go.Bar(
        x=smallest_first.clip(lower=0).to_list(),
        y=[feature_label(str(feature)) for feature in smallest_first.index],
        orientation="h",
        marker={"color": ACCENT, "cornerradius": 4},
        text=[number.format(importance) for importance in smallest_first],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
    )
    # The longest bar leaves room for the number at its end.
    longest = max(float(smallest_first.max()), shortest)
    return _figure([bars], height=20 + 34 * len(smallest_first)).update_layout(
        xaxis={**_NO_TICKS, "range": [0, longest * 1.6]},
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


def residuals_by_band(bands: pd.DataFrame) -> go.Figure:
    """Draw how far predictions are from the actual followers, band by band: the middle half of each, and its median.

    Args:
        bands: One row a band, ascending; columns `follower_band` (name), `num_playlists` (count),
            `lower_quartile_ratio`, `median_ratio` and `upper_quartile_ratio` (predicted by actual followers, above 0).
    """
    quartiles = bands[["lower_quartile_ratio", "median_ratio", "upper_quartile_ratio"]].astype("float64")
    names = bands["follower_band"].to_list()
    # Without length, a bar is not to be seen: one of a hair stands for quartiles that are the same.
    high = np.maximum(quartiles["upper_quartile_ratio"], quartiles["lower_quartile_ratio"] * 1.03)
    middle_half = go.Bar(
        x=(high - quartiles["lower_quartile_ratio"]).to_list(),
        base=quartiles["lower_quartile_ratio"].to_list(),
        y=names,
        orientation="h",
        width=0.55,
        marker={"color": ACCENT, "opacity": 0.45, "cornerradius": 4},
        hoverinfo="skip",
        showlegend=False,
    )
    medians = go.Scatter(
        x=quartiles["median_ratio"].to_list(),
        y=names,
        mode="markers",
        marker={"color": TEXT, "symbol": "line-ns", "size": 20, "line": {"color": TEXT, "width": 3}},
        customdata=np.column_stack([quartiles.to_numpy(), bands["num_playlists"].to_numpy()]),
        hovertemplate="<b>%{y} followers</b><br>%{customdata[3]:,} playlists<br>predicted by actual, median %{x:.3g}"
        "<br>middle half %{customdata[0]:.3g} to %{customdata[2]:.3g}<extra></extra>",
        showlegend=False,
    )
    limits = [min(float(quartiles.min().min()) / 1.5, 0.4), max(float(quartiles.max().max()) * 1.5, 2.5)]
    figure = _figure([middle_half, medians], height=90 + 44 * len(bands))
    figure.add_vrect(x0=0.5, x1=2, fillcolor=GRID, opacity=0.6, line_width=0, layer="below")
    figure.add_vline(x=1, line={"color": MUTED, "width": 1, "dash": "dot"})
    return figure.update_layout(
        xaxis={
            "title": "predicted by actual followers",
            "type": "log",
            "range": np.log10(limits).tolist(),
            **_ticks_of_ratios(*limits),
            "fixedrange": True,
        },
        # The fewest followers on top, as in the table.
        yaxis={"title": "actual followers", "type": "category", "autorange": "reversed", "showgrid": False}
        | {"fixedrange": True},
    )


def interval_coverage(tenths: pd.DataFrame) -> go.Figure:
    """Draw how often intervals held, by level of the prediction, beside one interval that is the same for all.

    Args:
        tenths: One row a tenth of the playlists, those with the lowest predictions first; columns `tenth` (from 1),
            `stated_share`, `observed_share` and `constant_observed_share` (0 to 1).
    """
    stated = float(tenths["stated_share"].iloc[0])
    traces = [
        go.Scatter(
            x=tenths["tenth"].to_list(),
            y=tenths[column].astype("float64").to_list(),
            mode="lines+markers",
            name=name,
            line={"color": colour, "width": 2, "dash": dash},
            marker={"color": colour, "size": 9, "symbol": symbol},
            hovertemplate="tenth %{x}: %{y:.1%}<extra></extra>",
        )
        for column, name, colour, symbol, dash in (
            ("observed_share", "its own interval", ACCENT, "circle", "solid"),
            ("constant_observed_share", "one for all", CLUSTER_COLOURS[1], "diamond", "dot"),
        )
    ]
    lowest = min(float(tenths[["observed_share", "constant_observed_share"]].min().min()), stated)
    figure = _figure(traces, height=340)
    figure.add_hline(
        y=stated,
        line={"color": MUTED, "width": 1, "dash": "dot"},
        annotation={"text": f"stated: {stated:.0%}", "font": {"color": MUTED}, "yanchor": "top", "bgcolor": PANEL},
        annotation_position="bottom left",
    )
    return figure.update_layout(
        xaxis={"title": "tenth, by prediction", "dtick": 1, "range": [0.6, len(tenths) + 0.4]}
        | {"showgrid": False, "fixedrange": True},
        yaxis={"title": "share in the interval", "tickformat": ".0%", "range": [max(lowest - 0.1, -0.02), 1.02]}
        | {"fixedrange": True},
    )


def confidence_calibration(tenths: pd.DataFrame) -> go.Figure:
    """Draw what became of predictions over how sure they were; on the dotted line, confidence is what happens.

    Args:
        tenths: One row a tenth of the playlists; columns `tenth` (from 1), `stated_share` (mean confidence) and
            `observed_share` (share within a factor of two of the prediction), 0 to 1.
    """
    shares = tenths[["stated_share", "observed_share"]].astype("float64")
    low, high = max(float(shares.min().min()) - 0.05, -0.02), min(float(shares.max().max()) + 0.05, 1.02)
    perfect = go.Scatter(
        x=[low, high],
        y=[low, high],
        mode="lines",
        line={"color": MUTED, "width": 1, "dash": "dot"},
        hoverinfo="skip",
        showlegend=False,
    )
    points = go.Scatter(
        x=shares["stated_share"].to_list(),
        y=shares["observed_share"].to_list(),
        mode="markers",
        marker={"color": ACCENT, "size": 11},
        customdata=tenths[["tenth"]].to_numpy(),
        hovertemplate="tenth %{customdata[0]}<br>stated %{x:.1%}<br>happened %{y:.1%}<extra></extra>",
        showlegend=False,
    )
    share = {"tickformat": ".0%", "range": [low, high], "nticks": 6, "fixedrange": True}
    return _figure([perfect, points], height=380).update_layout(
        xaxis={"title": "confidence, as stated", **share},
        yaxis={"title": "within a factor of two", **share},
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


def _ticks_of_ratios(lowest: float, highest: float) -> dict[str, list[float] | list[str]]:
    """Powers of ten, and half and twice, as people say them."""
    powers = range(int(np.ceil(np.log10(lowest))), int(np.floor(np.log10(highest))) + 1)
    values = sorted({*(10.0**power for power in powers), 0.5, 2.0})
    return {"tickvals": values, "ticktext": [f"{value:,g}" for value in values]}


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
