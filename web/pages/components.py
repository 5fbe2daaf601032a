"""What pages are made of: numbers and dates for people, tables, charts, figures with a caption."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import dash
import dash_ag_grid as dag
import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import MATCH, Input, Output, dcc, html

from web.database import Row
from web.problems import Problem

Component = Any
Column = dict[str, Any]

_THEME = (
    "themeQuartz.withParams({accentColor: '#3fd68a', backgroundColor: '#141a17', foregroundColor: '#e9f1ec', "
    "headerBackgroundColor: '#1b231f', borderColor: '#26312b', browserColorScheme: 'dark', fontFamily: 'inherit', "
    "fontSize: 14})"
)
_FORMATS = {
    "whole": "params.value == null ? '' : d3.format(',.0f')(params.value)",
    "decimal": "params.value == null ? '' : d3.format(',.1f')(params.value)",
    "precise": "params.value == null ? '' : d3.format(',.3~g')(params.value)",
    "percent": "params.value == null ? '' : d3.format(',.1f')(params.value) + ' %'",
    "share": "params.value == null ? '' : d3.format(',.1%')(params.value)",
}
Format = Literal["text", "whole", "decimal", "precise", "percent", "share", "month", "date"]


def number(value: float | int | None, digits: int = 0) -> str:
    """Return a number as people read it: `12,345` or `3.1`; a dash for none."""
    return "-" if value is None else f"{value:,.{digits}f}"


def moment(value: datetime | None) -> str:
    """Return a time as people read it: `25 Nov 2026, 17:31 UTC`; a dash for none."""
    return "-" if value is None else f"{value.astimezone(UTC):%-d %b %Y, %H:%M} UTC"


def ago(value: datetime | None, now: datetime | None = None) -> str:
    """Return how long ago a time is, roughly: `3 hours ago`; `never` for none."""
    if value is None:
        return "never"
    seconds = ((now or datetime.now(UTC)) - value).total_seconds()
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count:,} {unit}{'' if count == 1 else 's'} ago"
    return "just now"


def column(
    field: str, title: str, kind: Format = "text", *, note: str | None = None, link: str | None = None, **more: Any
) -> Column:
    """Return a column of a table.

    Args:
        field: Of the rows.
        title: Its heading.
        kind: How its values are shown; decides how it is sorted and filtered as well.
        note: What it means, shown when pointed at.
        link: Field of the rows with the path of a page that the cell leads to.
        more: Options of AG Grid for the column, such as `flex`, `minWidth`, `hide`, `sort`.
    """
    made: Column = {"field": field, "headerName": title}
    if note:
        made["headerTooltip"] = note
    if kind in _FORMATS:
        made |= {
            "type": "rightAligned",
            "width": 120,
            "filter": "agNumberColumnFilter",
            "valueFormatter": {"function": _FORMATS[kind]},
        }
    elif kind in {"month", "date"}:
        # Text as 2017-06 or 2017-06-30 sorts as time does.
        made |= {"filter": "agTextColumnFilter", "width": 120}
    else:
        made |= {"filter": "agTextColumnFilter", "tooltipField": field, "minWidth": 150}
    if link:
        made |= {"cellRenderer": "PageLink", "cellRendererParams": {"path": link}}
    return made | more


def table(
    name: str, label: str, rows: Sequence[Row], columns: Sequence[Column], *, file: str, page_size: int = 10
) -> Component:
    """Return a table that can be sorted, filtered, paged through and downloaded.

    Args:
        name: Of the table among all of the page; begins with the name of the page.
        label: What it shows, for screen readers.
        rows: Of plain values; what is in no column is not sent.
        columns: See `column`.
        file: Name of the file when it is downloaded, without ending.
        page_size: How many rows a page of it has.
    """
    shown = row_data(rows, columns)
    return html.Section(
        [
            dmc.Group(
                dmc.Button(
                    "Download CSV",
                    id={"role": "download", "table": name},
                    size="compact-xs",
                    variant="subtle",
                    disabled=not shown,
                ),
                justify="flex-end",
                mb=4,
            ),
            dag.AgGrid(
                id={"role": "table", "table": name},
                rowData=shown,
                columnDefs=list(columns),
                defaultColDef={"sortable": True, "resizable": True, "minWidth": 90, "floatingFilter": True},
                columnSize="responsiveSizeToFit",
                csvExportParams={"fileName": f"{file}.csv", "processCellCallback": {"function": "csvCell(params)"}},
                style={"height": None},
                dashGridOptions={
                    "theme": {"function": _THEME},
                    "domLayout": "autoHeight",
                    "pagination": len(shown) > page_size,
                    "paginationPageSize": page_size,
                    "paginationPageSizeSelector": False,
                    "tooltipShowDelay": 300,
                    "enableCellTextSelection": True,
                    "ensureDomOrder": True,
                    "suppressColumnVirtualisation": True,
                    "localeText": {"noRowsToShow": "Nothing to show"},
                },
            ),
        ],
        **{"aria-label": label},
    )


def chart(name: str, figure: go.Figure, label: str) -> Component:
    """Return a chart that fits the width it has.

    Args:
        name: Id of the component; begins with the name of the page.
        figure: From `python_ml.charts`.
        label: What it shows, in a sentence, for those who cannot see it.
    """
    return html.Div(
        dcc.Graph(id=name, figure=figure, config={"displayModeBar": False, "responsive": True}),
        role="img",
        className="chart",
        **{"aria-label": label},
    )


def figures(pairs: Sequence[tuple[str, str, str | None]]) -> Component:
    """Return a row of figures.

    Args:
        pairs: The caption, the figure, and a note beneath, of each.
    """
    return dmc.SimpleGrid(
        [
            dmc.Paper(
                [
                    dmc.Text(caption, c="dimmed", size="sm"),
                    dmc.Text(figure, fw=700, size="xl", className="figure"),
                    *([dmc.Text(note, c="dimmed", size="xs")] if note else []),
                ],
                p="sm",
                withBorder=True,
                className="panel",
            )
            for caption, figure, note in pairs
        ],
        cols={"base": 2, "sm": 3, "lg": 4},
        spacing="sm",
    )


def register(app: dash.Dash) -> None:
    """Let every table be downloaded."""
    app.clientside_callback(
        "function (clicks) { return Boolean(clicks); }",
        Output({"role": "table", "table": MATCH}, "exportDataAsCsv"),
        Input({"role": "download", "table": MATCH}, "n_clicks"),
        prevent_initial_call=True,
    )


def _plain(value: object) -> object:
    """Return a value as JSON has it."""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return float(value) if isinstance(value, Decimal) else str(value)


def row_data(rows: Sequence[Row], columns: Sequence[Column]) -> list[Row]:
    """Return rows as a table of these columns has them, such as to show others in it."""
    fields = {made["field"] for made in columns}
    fields |= {made["cellRendererParams"]["path"] for made in columns if "cellRendererParams" in made}
    return [{field: _plain(row.get(field)) for field in sorted(fields)} for row in rows]


LONG: Column = {"width": 560, "minWidth": 240, "wrapText": True, "autoHeight": True, "cellClass": "long"}
"""Options of a column with sentences, which are read as a whole."""
WRAPPED: Column = {"wrapHeaderText": True, "autoHeaderHeight": True}
"""Options of a column whose heading is longer than its values."""
FEW: Column = WRAPPED | {"floatingFilter": False}
"""Options of the columns of a table that has few rows at any time: nobody needs to search it."""


def told(answer: Callable[[], Component]) -> Component:
    """Return the answer of a callback, or what kept it back in words."""
    try:
        return answer()
    except Problem as problem:
        return alert(problem.detail, "red")


def alert(words: str, color: str) -> Component:
    """Return what went wrong, in words that screen readers say at once."""
    return html.Div(dmc.Alert(words, color=color), role="alert")
