"""Reports as CSV, row by row as the database gives them, so that memory does not grow with them."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain, islice
from typing import Annotated, Any

import flask
from pydantic import BaseModel, ConfigDict, Field

from warehouse.settings import reports_folder
from web.api.resource import INT4, UNSENT, ArtistUri, Problem, Text, absent_means_absent, answer, blueprint
from web.database import warehouse
from web.problems import NotFound

reports = blueprint("reports", "Reports", "Everything as CSV, for spreadsheets and programs.")

PERFORMANCE_REPORT = "/reports/performance.html"
ROWS_AT_ONCE = 500
# What a spreadsheet may take for a formula, also where it is written as wide as a Chinese character; and what it became
# here, so that no two texts become the same.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
# So that spreadsheets know that it is UTF-8.
_BYTE_ORDER_MARK = "\ufeff"

_Name = Annotated[Text, Field(min_length=1, max_length=100)]


class NoFilter(BaseModel):
    """All of it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=absent_means_absent)


class OfGenre(NoFilter):
    """Of a genre alone."""

    genre: _Name = Field(default=UNSENT, description="Only of this genre.", json_schema_extra={"example": "rock"})


class OfRecommendation(NoFilter):
    """Of a recommendation alone."""

    recommendation: _Name = Field(default=UNSENT, description="Only this recommendation.")


class OfPerformance(OfGenre):
    """Of a genre, or of those that underperform, alone."""

    is_underperforming: bool = Field(
        default=UNSENT, description="Only those far behind their prediction, or only the others."
    )


class OfArtists(NoFilter):
    """Of a cluster or a stage alone."""

    cluster_id: Annotated[int, Field(ge=0, le=INT4)] = Field(default=UNSENT, description="Only of this cluster.")
    stage: _Name = Field(default=UNSENT, description="Only of this stage.")


class OfArtist(NoFilter):
    """Of an artist alone."""

    artist_id: ArtistUri = Field(default=UNSENT)


@dataclass(frozen=True)
class Report:
    """A report.

    Attributes:
        name: Of the file; `web/queries/report_<name>.sql` has its rows.
        description: What is in it.
        filters: What it can be narrowed to.
    """

    name: str
    description: str
    filters: type[NoFilter] = NoFilter


REPORTS = (
    Report("playlists", "Every playlist with its numbers and its prediction.", OfGenre),
    Report(
        "playlist_recommendations",
        "What would help which playlist, and how that is known; the most promising first.",
        OfRecommendation,
    ),
    Report(
        "playlist_performance",
        "Followers beside predicted followers; those furthest behind first.",
        OfPerformance,
    ),
    Report("artist_recommendations", "Whom to promote, include or work with, and why.", OfRecommendation),
    Report("artist_performance", "Every artist with score, rank, stage, reach and cluster, by rank.", OfArtists),
    Report("artist_monthly_trends", "Artists by month: share, expectation, trend.", OfArtist),
    Report("similar_artists", "Artists that share playlists beyond chance.", OfArtist),
    Report("cluster_profiles", "The kinds of artists, and what is typical of each."),
    Report("genres", "The genres that titles name, with their sizes."),
    Report("genre_monthly_trends", "Genres by month: share, expectation, trend.", OfGenre),
    Report("model_performance", "What was measured of every training, beside constants and targets."),
    Report("model_candidates", "What was measured of each kind of model that competed, on repeated splits."),
    Report("feature_importances", "What the models that serve look at."),
    Report("data_quality", "How many rows break each rule of the dataset."),
    Report("rejects", "What was refused, by reason."),
)


class ReportEntry(BaseModel):
    """A report that can be had."""

    name: str
    description: str
    path: str = Field(description="Where it is.")
    filters: list[str] = Field(description="Parameters that narrow it.")


class ReportList(BaseModel):
    """The reports."""

    reports: list[ReportEntry]


@reports.get("/reports", summary="List the reports", responses={200: ReportList})
def list_reports() -> flask.Response:
    """What can be downloaded as CSV, where, and how it can be narrowed."""
    entries = [
        ReportEntry(
            name=report.name,
            description=report.description,
            path=_path(report),
            filters=list(report.filters.model_fields),
        )
        for report in REPORTS
    ]
    return answer(ReportList(reports=entries))


def harmless(text: str) -> str:
    """Return a text as it can stand in a spreadsheet: with an apostrophe before what could be taken for a formula.

    One that has apostrophes before that gets one more: to take one away gives back what it was.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def _path(report: Report) -> str:
    return f"/reports/{report.name}.csv"


def _download(report: Report, filters: dict[str, Any]) -> flask.Response:
    with ExitStack() as stack:
        columns, rows = stack.enter_context(warehouse().stream(f"report_{report.name}", **filters))
        # What goes wrong does so with the first rows, while it can be said.
        first = list(islice(rows, ROWS_AT_ONCE))
        keep = stack.pop_all()
    response = flask.Response(
        _lines(columns, chain(first, rows)), content_type="text/csv; charset=utf-8; header=present"
    )
    response.headers["Content-Disposition"] = f'attachment; filename="mixhouse-{report.name.replace("_", "-")}.csv"'
    # Also where nobody asks for a line, or stops asking.
    response.call_on_close(keep.close)
    return response


def _lines(columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write(_BYTE_ORDER_MARK)
    writer.writerow(columns)
    while part := list(islice(rows, ROWS_AT_ONCE)):
        writer.writerows([_cell(value) for value in row] for row in part)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    if buffer.tell():
        yield buffer.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value


def _add(report: Report) -> None:
    def download(query: NoFilter) -> flask.Response:
        return _download(report, query.model_dump())

    download.__name__ = f"report_{report.name}"
    download.__doc__ = (
        "Comma-separated, UTF-8 with a byte order mark, a line of names first; as a file to download. Text that a "
        "spreadsheet could take for a formula has an apostrophe before it."
    )
    # It is by them that the parameters are known.
    download.__annotations__["query"] = report.filters
    content = {"text/csv": {"schema": {"type": "string"}}}
    reports.get(
        _path(report),
        summary=report.description.rstrip("."),
        responses={200: {"description": "The report", "content": content}, 409: Problem},
    )(download)


for _report in REPORTS:
    _add(_report)


@reports.get(
    PERFORMANCE_REPORT,
    summary="The performance report of the models, as a page",
    responses={
        200: {"description": "The report", "content": {"text/html": {"schema": {"type": "string"}}}},
        404: Problem,
    },
)
def performance_report() -> flask.Response:
    """One HTML file with charts, that opens without a network: as the last run or `mixhouse report` wrote it."""
    try:
        return flask.send_file(reports_folder() / "latest.html", mimetype="text/html", max_age=0, conditional=True)
    except FileNotFoundError:
        raise NotFound("No report has been written yet. Start a training, or write it: mixhouse report") from None
