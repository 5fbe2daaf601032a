"""Playlist popularity: how good the predictions are, what they rest on, and which playlists fall behind theirs."""

from collections.abc import Mapping, Sequence

import dash
import dash_mantine_components as dmc
import pandas as pd
from dash import Input, Output, html

from python_ml import charts
from python_ml.reports import (
    candidate_label,
    confidence_verdict,
    coverage_verdict,
    format_measure,
    popularity_verdict,
    residuals_verdict,
)
from warehouse.settings import reports_folder
from web.api.reports import PERFORMANCE_REPORT
from web.database import Row, warehouse
from web.pages import components, shell
from web.pages.callbacks import typed

PATH = "/popularity"
NAME = "Playlist popularity"
TITLE = "Playlist popularity"

MOST_SHOWN = 200
MOST_FOUND = 10
HIGHEST_PID = 2**31 - 1

_MEASURES = {
    ("rmse", "log1p"): "RMSE, log1p of followers",
    ("r2", "log1p"): "R², log1p of followers",
    ("mae", "log1p"): "MAE, log1p of followers",
    ("rmse", "raw"): "RMSE, followers",
    ("r2", "raw"): "R², followers",
    ("mae", "raw"): "MAE, followers",
}
_COMPARED: dict[str, tuple[str, str | None]] = {
    "rmse_log": ("rmse", "log1p"),
    "r2_log": ("r2", "log1p"),
    "rmse": ("rmse", "raw"),
    "spearman": ("spearman", None),
    "auc_2": ("roc_auc_at_least_2", None),
    "auc_10": ("roc_auc_at_least_10", None),
    "within": ("within_factor_two", None),
}
_ORDERS = {
    "behind": "Furthest behind, in proportion",
    "gap": "Most followers missing",
    "predicted": "Most followers predicted",
    "followers": "Most followers",
    "tracks": "Most tracks",
}


def layout(**_: object) -> shell.Component:
    """Return the page."""
    groups = warehouse().cached("underperforming_groups")
    metrics = warehouse().cached("popularity_metrics")
    head = shell.heading(
        TITLE,
        "How many followers a playlist has, as far as what it is made of says; and which have fewer than that.",
    )
    if not metrics:
        return dmc.Stack([head, _search(), _not_trained()])
    return dmc.Stack(
        [
            head,
            *_report(),
            _search(),
            _underperformers(groups),
            *_quality(metrics),
            *_importances(),
            _points(),
            _residuals(),
            *_calibration(),
        ]
    )


def in_words(metrics: Sequence[Row], champion: Sequence[Row], candidates: Sequence[Row]) -> list[str]:
    """Say how good the predictions are, beside constant answers: what serves first, then the forest as specified.

    Args:
        metrics: Rows of `popularity_metrics`.
        champion: Rows of `popularity_champion`.
        candidates: Rows of `popularity_candidates`.
    """
    sentences = []
    if champion:
        name = candidate_label(champion[0]["champion"])
        measured = {
            (row["candidate"], row["metric"]): row["metric_value"]
            for row in candidates
            if row["scale"] in {"log1p", None}
        }
        own = {(row["metric"], row["scale"]): row["metric_value"] for row in champion}
        error = measured[champion[0]["champion"], "rmse"]
        constant, answer = min(
            (value, candidate)
            for (candidate, metric), value in measured.items()
            if metric == "rmse" and candidate.startswith("constant_")
        )
        sentences.append(
            f"What serves: {_lower_first(name)}. Its error in the comparison is {format_measure(error)} (RMSE on log1p "
            f"of followers, mean of repeated splits); “{_lower_first(candidate_label(answer))}” has "
            f"{format_measure(constant)}. That is {_beside(error, constant)}."
        )
        if ("within_factor_two", None) in own and ("spearman", None) in own:
            sentences.append(
                f"{own['within_factor_two', None]:.0%} of its predictions are within a factor of two of the followers; "
                f"the rank correlation is {format_measure(own['spearman', None])} (1: the order is right; 0: no order)."
            )
    targets = [row for row in metrics if row["split"] == "test" and row["target_value"] is not None]
    met = sum(bool(row["is_target_met"]) for row in targets)
    if targets:
        sentences.append(
            f"Of the {len(targets)} targets of the source report (RMSE below 0.3 and R² above 0.7, on both scales) the "
            f"forest as specified meets {met or 'none'}."
        )
    return sentences


def register(app: dash.Dash) -> None:
    """Search, and choose which playlists to list."""

    @app.callback(Output("popularity-found", "children"), Input("popularity-search", "value"))
    @typed
    def search(text: str | None) -> shell.Component:
        return components.told(lambda: _found(text or ""))

    @app.callback(
        Output("popularity-behind", "children"),
        Input("popularity-order", "value"),
        Input("popularity-genre", "value"),
        Input("popularity-length", "value"),
        Input("popularity-group", "value"),
        Input("popularity-title", "value"),
        prevent_initial_call=True,
    )
    @typed
    def choose(
        order: str | None, genre: str | None, length: str | None, group: str | None, title: str | None
    ) -> shell.Component:
        return components.told(
            lambda: _listed(order or "behind", genre or None, length or None, group or None, title or "")
        )


def _search() -> shell.Component:
    return shell.panel(
        "Find a playlist",
        dmc.TextInput(
            id="popularity-search",
            label="Title or number",
            description="How the title begins, whatever its case and emoji, or the pid of the playlist.",
            debounce=300,
            maw=480,
            **{"inputProps": {"type": "search"}},
        ),
        html.Div(id="popularity-found", **{"aria-live": "polite"}),
    )


def _found(text: str) -> shell.Component:
    if not text.strip():
        return None
    found = warehouse().rows("playlists_found", q=text, limit=MOST_FOUND + 1, offset=0)
    number = text.strip()
    if number.isascii() and number.isdigit() and len(number) <= 10 and int(number) <= HIGHEST_PID:
        playlist = warehouse().row("playlist", pid=int(number))
        found = ([playlist] if playlist else []) + [row for row in found if row["pid"] != int(number)]
    if not found:
        return dmc.Text("No playlist has a title that begins so, nor that number.", c="dimmed", mt="sm")
    lines = [
        html.Li(
            [
                dmc.Anchor(title(row["name"]), href=path(row["pid"]), underline="always"),
                dmc.Text(
                    f" · playlist {row['pid']} · {counted(row['num_followers'], 'follower')} · "
                    f"{counted(row['num_tracks'], 'track')}",
                    c="dimmed",
                    size="sm",
                    span=True,
                ),
            ]
        )
        for row in found[:MOST_FOUND]
    ]
    more = [dmc.Text("There are more; go on typing.", c="dimmed", size="sm")] if len(found) > MOST_FOUND else []
    return html.Div([html.Ul(lines, className="entries"), *more])


def _underperformers(groups: Sequence[Row]) -> shell.Component:
    total = sum(row["playlists"] for row in groups)
    note = (
        f"{counted(total, 'playlist')} of the tenth furthest behind the prediction, by a follower or more. "
        "A playlist may be behind for reasons that no number here shows."
    )
    if not total:
        return shell.panel(
            "Playlists that fall behind",
            dmc.Text("None is behind its prediction by a follower or more."),
        )
    genres = sorted({row["genre"] for row in groups if row["genre"]})
    lengths = list(dict.fromkeys(row["length_band"] for row in sorted(groups, key=lambda row: row["shortest"])))
    names = list(dict.fromkeys(row["comparable_group"] for row in groups))
    return shell.panel(
        "Playlists that fall behind",
        dmc.SimpleGrid(
            [
                dmc.Select(
                    id="popularity-order",
                    label="Order",
                    data=[{"value": key, "label": words} for key, words in _ORDERS.items()],
                    value="behind",
                    allowDeselect=False,
                ),
                _choice("genre", "Genre", genres, "All genres"),
                _choice("length", "Tracks", lengths, "All lengths"),
                _choice("group", "Compared with", names, "All groups"),
                dmc.TextInput(id="popularity-title", label="Title begins with", placeholder="Any title", debounce=300),
            ],
            cols={"base": 1, "xs": 2, "lg": 5},
            spacing="sm",
            mb="sm",
        ),
        html.Div(_listed("behind", None, None, None, ""), id="popularity-behind", **{"aria-live": "polite"}),
        note=note,
    )


def _choice(name: str, label: str, values: Sequence[str], all_of_them: str) -> shell.Component:
    return dmc.Select(
        id=f"popularity-{name}",
        label=label,
        data=list(values),
        placeholder=all_of_them,
        clearable=True,
        searchable=True,
        clearButtonProps={"aria-label": f"Clear: {label}"},
        nothingFoundMessage="None of that name",
    )


def _listed(order: str, genre: str | None, length: str | None, group: str | None, prefix: str) -> shell.Component:
    found = warehouse().cached(
        "underperforming_playlists",
        sorted_by=order,
        genre=genre,
        length_band=length,
        comparable_group=group,
        prefix=prefix,
        limit=MOST_SHOWN + 1,
    )
    if not found:
        return dmc.Text("No playlist that falls behind is like that. Take a filter away.", c="dimmed")
    rows = [
        row
        | {
            "name": title(row["name"]),
            "path": path(row["pid"]),
            "action": upper_first(row["action"] or "nothing clear"),
        }
        for row in found[:MOST_SHOWN]
    ]
    said = (
        f"The first {MOST_SHOWN} in this order; filters show others."
        if len(found) > MOST_SHOWN
        else f"{counted(len(found), 'playlist')}."
    )
    return html.Div(
        [
            dmc.Text(said, size="sm", c="dimmed"),
            components.table(
                "popularity-underperforming",
                "Playlists that have fewer followers than predicted",
                rows,
                [
                    components.column("name", "Playlist", link="path", flex=2, minWidth=160),
                    components.column("num_followers", "Followers", "whole", width=115),
                    components.column("predicted_followers", "Predicted", "decimal", width=115),
                    components.column("follower_gap", "Missing", "decimal", note="Predicted less actual", width=110),
                    components.column(
                        "times_behind",
                        "Times behind",
                        "precise",
                        note="1 + predicted followers, by 1 + actual ones",
                        width=130,
                    ),
                    components.column("num_tracks", "Tracks", "whole", width=95),
                    components.column("comparable_group", "Compared with", flex=2, minWidth=170),
                    components.column(
                        "action", "To do first", note="What is recommended first, if anything", flex=1, minWidth=140
                    ),
                ],
                file="playlists-that-fall-behind",
            ),
        ]
    )


def _quality(metrics: Sequence[Row]) -> list[shell.Component]:
    champion = warehouse().cached("popularity_champion")
    candidates = warehouse().cached("popularity_candidates")
    by_key = {(row["metric"], row["scale"], row["split"]): row["metric_value"] for row in metrics}
    for row in metrics:
        if row["split"] == "test":
            for constant in ("baseline_one", "baseline_median", "baseline_mean"):
                by_key[row["metric"], row["scale"], constant] = row[constant]
    served = {(row["metric"], row["scale"]): row["metric_value"] for row in champion}
    tests = {(row["metric"], row["scale"]): row for row in metrics if row["split"] == "test"}
    rows = [
        {
            "measure": label,
            "served": served.get(key),
            "specified": tests[key]["metric_value"],
            "mean": tests[key]["baseline_mean"],
            "median": tests[key]["baseline_median"],
            "one": tests[key]["baseline_one"],
            "target": _target(tests[key]),
        }
        for key, label in _MEASURES.items()
        if key in tests
    ]
    return [
        shell.panel(
            "How good the predictions are",
            _words(in_words(metrics, champion, candidates)),
            html.Div(_sureness(served), className="spaced"),
            dmc.Title("Beside constant answers", order=3, size="h5", mt="md"),
            dmc.Text(
                "On the same fifth of the playlists, which no model was fitted on. Smaller errors (RMSE, MAE) and a "
                "larger R² are better. An answer that is always the same has an R² of 0 or less.",
                c="dimmed",
                size="sm",
            ),
            components.table(
                "popularity-metrics",
                "Measures of the models beside constant answers and targets",
                rows,
                [
                    components.column("measure", "Measure", flex=2, minWidth=180, **components.FEW),
                    components.column("served", "What serves", "precise", minWidth=100, **components.FEW),
                    components.column("specified", "Forest, as specified", "precise", minWidth=100, **components.FEW),
                    components.column("mean", "Always the mean", "precise", minWidth=100, **components.FEW),
                    components.column("median", "Always the median", "precise", minWidth=100, **components.FEW),
                    components.column("one", "Always one", "precise", minWidth=100, **components.FEW),
                    components.column("target", "Target, for the forest", minWidth=160, **components.FEW),
                ],
                file="popularity-metrics",
            ),
            dmc.Title("About the forest as specified", order=3, size="h5", mt="md"),
            _words(popularity_verdict(by_key)),
        ),
        _candidates(candidates),
    ]


def _sureness(served: Mapping[tuple[str, str | None], float]) -> list[shell.Component]:
    covered = served.get(("interval_coverage", None))
    confidence, happened = served.get(("confidence_predicted", None)), served.get(("confidence_observed", None))
    tiles: list[tuple[str, str, str | None]] = [
        ("Error, log1p", format_measure(served.get(("rmse", "log1p"))), "RMSE, on the fifth kept for the final test"),
        ("R², log1p", format_measure(served.get(("r2", "log1p"))), "on the same fifth; 1: all differences, 0: none"),
    ]
    if covered is not None:
        tiles.append(("In their interval", f"{covered:.1%}", "of that fifth; 80 % or more are promised"))
    if confidence is not None and happened is not None:
        tiles.append(
            ("Within a factor of two", f"{happened:.1%}", f"where the confidence said {confidence:.1%}"),
        )
    return [components.figures(tiles)] if served else []


def _candidates(candidates: Sequence[Row]) -> shell.Component:
    found: dict[str, Row] = {}
    for row in candidates:
        measures = found.setdefault(
            row["candidate"],
            {
                "candidate": candidate_label(row["candidate"]) + (" (serves)" if row["is_champion"] else ""),
            },
        )
        for field, key in _COMPARED.items():
            if key == (row["metric"], row["scale"]):
                measures[field] = row["metric_value"]
                measures[f"{field}_spread"] = row["spread"]
    rows = sorted(found.values(), key=lambda row: row.get("rmse_log") or float("inf"))
    return shell.panel(
        "What competed",
        components.table(
            "popularity-candidates",
            "Candidates and constant answers, measured on the same repeated splits",
            rows,
            [
                components.column("candidate", "Candidate", flex=3, minWidth=200, **components.FEW),
                components.column("rmse_log", "RMSE, log1p", "precise", sort="asc", minWidth=100, **components.FEW),
                components.column(
                    "rmse_log_spread",
                    "± spread",
                    "precise",
                    note="Standard deviation over the splits",
                    **components.FEW,
                ),
                components.column("r2_log", "R², log1p", "precise", minWidth=100, **components.FEW),
                components.column("rmse", "RMSE, followers", "precise", minWidth=100, **components.FEW),
                components.column(
                    "spearman",
                    "Rank corr.",
                    "precise",
                    note="Rank correlation, of Spearman",
                    minWidth=100,
                    **components.FEW,
                ),
                components.column(
                    "auc_2",
                    "AUC, 2 or more",
                    "precise",
                    note="0.5: no better than chance",
                    minWidth=112,
                    **components.FEW,
                ),
                components.column(
                    "auc_10",
                    "AUC, 10 or more",
                    "precise",
                    note="0.5: no better than chance",
                    minWidth=112,
                    **components.FEW,
                ),
                components.column("within", "Within a factor of two", "share", minWidth=105, **components.FEW),
            ],
            file="popularity-candidates",
        ),
        note="Each was fitted and measured on the same splits of the playlists that the final test leaves alone, four "
        "of five. The smallest error on log1p of followers serves, if it is clearly the smallest.",
    )


def _importances() -> list[shell.Component]:
    frame = warehouse().frame("feature_importances")
    if frame.empty:
        return []
    by_method = {
        str(method): pd.Series(rows["importance"].to_numpy(), index=rows["feature"].to_list(), dtype="float64")
        for method, rows in frame.groupby("method")
    }
    panels = []
    if "permutation" in by_method:
        panels.append(
            shell.panel(
                "What the predictions rest on",
                components.chart(
                    "popularity-permutation",
                    charts.permutation_importance(by_method["permutation"]),
                    f"Bars: {_first_three(by_method['permutation'])} matter most to what serves.",
                ),
                note="How much the error of what serves (RMSE on log1p) rises when a feature is shuffled among the "
                "fifth kept for the final test. About nothing: the feature is not needed, or another says the same.",
            )
        )
    if "impurity" in by_method:
        panels.append(
            shell.panel(
                "Where the forest splits",
                components.chart(
                    "popularity-impurity",
                    charts.feature_importance(by_method["impurity"]),
                    f"Bars: the forest as specified splits most by {_first_three(by_method['impurity'])}.",
                ),
                note="Shares of the forest as specified, on the playlists it was fitted on. Beware: features with many "
                "values come out large here even if they say nothing about other playlists. Trust the shuffled ones.",
            )
        )
    return [dmc.SimpleGrid(panels, cols={"base": 1, "md": 2})]


def _points() -> shell.Component:
    points = warehouse().frame("predictions_sampled")
    if points.empty:
        return None
    return shell.panel(
        "Predicted against actual",
        components.chart(
            "popularity-points",
            charts.predicted_against_actual(points),
            f"Points: {counted(len(points), 'playlist')}; the closer to the diagonal, the better.",
        ),
        note=f"{counted(len(points), 'playlist')} that the model was not fitted on, drawn from all. On the dotted "
        "line a prediction is right. A cloud flatter than the line is of an unsure model: it answers the middle.",
    )


def _residuals() -> shell.Component:
    bands = warehouse().cached("prediction_residuals")
    if not bands:
        return None
    return shell.panel(
        "How wrong, by followers",
        _words(residuals_verdict(list(bands))),
        components.chart(
            "popularity-residuals",
            charts.residuals_by_band(pd.DataFrame(bands)),
            "Bars: predicted by actual followers, the middle half of each band; 1 is right.",
        ),
        note="Of playlists that the model was not fitted on. Within the shaded part a prediction is within a factor of "
        "two. Even an answer that is right on average looks too low for those with the most followers: they were "
        "picked for having many.",
    )


def _calibration() -> list[shell.Component]:
    rows = warehouse().cached("prediction_calibration")
    intervals, confidence = ([row for row in rows if row["statement"] == kind] for kind in ("interval", "confidence"))
    panels = []
    if intervals:
        panels.append(
            shell.panel(
                "Do the intervals hold?",
                _words(coverage_verdict(intervals)),
                components.chart(
                    "popularity-coverage",
                    charts.interval_coverage(pd.DataFrame(intervals)),
                    "Lines: of the fifth kept for the final test, the share in its interval, by tenth of what is "
                    "predicted.",
                ),
                note="Followers are whole numbers, and most are 1: more than the stated share is often forced.",
            )
        )
    if confidence:
        panels.append(
            shell.panel(
                "Is the confidence right?",
                _words(confidence_verdict(confidence)),
                components.chart(
                    "popularity-confidence",
                    charts.confidence_calibration(pd.DataFrame(confidence)),
                    "Points: the share within a factor of two over the confidence that was stated, by tenth.",
                ),
                note="Confidence is the share of such predictions that are within a factor of two.",
            )
        )
    return [dmc.SimpleGrid(panels, cols={"base": 1, "md": 2})] if panels else []


def _report() -> list[shell.Component]:
    if not (reports_folder() / "latest.html").exists():
        return []
    return [dmc.Anchor("The performance report, as one page", href=PERFORMANCE_REPORT, target="_blank", size="sm")]


def _words(sentences: Sequence[str]) -> shell.Component:
    return html.Ul([html.Li(sentence) for sentence in sentences], className="words")


def _not_trained() -> shell.Component:
    return shell.panel(
        "No model is trained yet",
        dmc.Text("Predictions, what they rest on, and the playlists that fall behind appear after a training."),
        dmc.Anchor("Start a training", href="/app/runs"),
        dmc.Text("Or on the command line:", mt="sm"),
        dmc.Code("mixhouse train && mixhouse build", block=True),
    )


def title(name: str | None) -> str:
    """Return the title of a playlist; a placeholder for none."""
    return name if name and name.strip() else "(untitled)"


def path(pid: int) -> str:
    """Return the address of the page of a playlist."""
    return f"/app/playlists/{pid}"


def counted(count: int, unit: str) -> str:
    """Return a count with its unit: `1 track`, `1,234 tracks`."""
    return f"{count:,} {unit}{'' if count == 1 else 's'}"


def _target(row: Row) -> str:
    if row["target_value"] is None:
        return ""
    direction = "above" if row["metric"] == "r2" else "below"
    return f"{direction} {row['target_value']:g}: {'met' if row['is_target_met'] else 'not met'}"


def _beside(error: float, constant: float) -> str:
    change = 1 - error / constant if constant else 0.0
    if abs(change) < 0.005:
        return "about as good: what a playlist is made of says next to nothing about its followers here"
    return f"{abs(change):.0%} {'better' if change > 0 else 'worse'}"


def upper_first(words: str) -> str:
    """Return words as they begin a sentence."""
    return words[:1].upper() + words[1:]


def _lower_first(words: str) -> str:
    return words[:1].lower() + words[1:]


def _first_three(importances: pd.Series) -> str:
    largest = importances.sort_values(ascending=False).index[:3]
    return ", ".join(charts.feature_label(str(feature)).lower() for feature in largest)
