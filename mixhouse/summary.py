"""What a person wants to know at a glance: what is there, how good it is, what it recommends, and what is next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row
from rich.console import Group, RenderableType
from rich.text import Text

from mixhouse.console import counted, printable
from warehouse.pipeline import has_news

Row = dict[str, Any]


@dataclass(frozen=True)
class Summary:
    """What there is to say; fields are empty where nothing was built or trained yet.

    Attributes:
        landed: Playlists in staging, in their current version.
        has_news: Whether slices have landed, models were trained, or code has changed since the last build.
        built_at: When the last build ended; None if there was none.
        overview: The row of `insights.overview`.
        metrics: Held-out metrics of the serving models, rows of `insights.model_performance`.
        playlists: Of the three recommendations with the largest expected gain, the playlist that comes first.
        artists: Emerging artists, the most followed first.
    """

    landed: int
    has_news: bool = False
    built_at: datetime | None = None
    overview: Row | None = None
    metrics: Sequence[Row] = ()
    playlists: Sequence[Row] = ()
    artists: Sequence[Row] = ()


def read(connection: Connection) -> Summary:
    """Read the summary; what has not been built yet is left out."""
    with connection.cursor(row_factory=dict_row) as cursor:
        landed = cursor.execute("select count(*) as n from staging.playlists where superseded_at is null").fetchone()
        # The last model of a build: if it is there, all are.
        built = cursor.execute("select to_regclass('insights.overview') is not null as yes").fetchone()
        playlists = int(landed["n"]) if landed else 0
        if not built or not built["yes"]:
            return Summary(playlists)
        ended = cursor.execute("select max(finished_at) as at from ops.builds").fetchone()
        return Summary(
            landed=playlists,
            has_news=has_news(connection),
            built_at=ended["at"] if ended else None,
            overview=cursor.execute(
                """
                select
                    playlists, track_rows, tracks, albums, artists, playlists_rejected, slices_refused,
                    synthetic_playlists
                from insights.overview
                """
            ).fetchone(),
            metrics=cursor.execute(
                """
                select metric, scale, metric_value, baseline_one, baseline_median, baseline_mean
                from insights.model_performance
                where is_serving and (split is null or split = 'test')
                """
            ).fetchall(),
            playlists=cursor.execute(
                """
                select first_of_each.*
                from (select distinct recommendation from insights.playlist_recommendations) as kinds
                cross join lateral (
                    select pid, name, action, reason, priority_score, log_gap
                    from insights.playlist_recommendations as recommendations
                    where recommendations.recommendation = kinds.recommendation
                    order by priority_score desc, log_gap desc, pid
                    limit 1
                ) as first_of_each
                order by priority_score desc, log_gap desc, pid
                limit 3
                """
            ).fetchall(),
            artists=cursor.execute(
                """
                select artist_name, reason
                from insights.artist_recommendations
                where recommendation = 'emerging'
                order by score desc, avg_followers desc, artist_uri
                limit 3
                """
            ).fetchall(),
        )


def render(summary: Summary, report: Path | None, command: str) -> RenderableType:
    """Lay the summary out for a terminal or a log; strangers' titles are shown, never obeyed.

    Args:
        summary: What there is to say.
        report: Where the report on this is; None if it is to be written.
        command: How the reader calls `mixhouse`.
    """
    return Group(*_lines(summary, report, command))


def _lines(summary: Summary, report: Path | None, command: str) -> Iterator[Text]:
    if summary.overview is None or not summary.overview["playlists"]:
        yield Text(f"Landed: {counted(summary.landed, 'playlist')}. Nothing is built yet.")
        yield Text(f"Next: {command} build" if summary.landed else f"Next: {command} run /path/to/the/dataset")
        return
    yield from _loaded(summary.overview, command)
    yield from _models(summary.metrics)
    yield from _section(
        "Playlists worth improving",
        [f"{row['name']} ({row['pid']}): {row['action']}; {row['reason']}" for row in summary.playlists],
    )
    yield from _section("Emerging artists", [f"{row['artist_name']}: {row['reason']}" for row in summary.artists])
    yield _heading("Next")
    if summary.has_news:
        yield Text(f"  build what is new       {command} build")
    if report:
        yield Text(f"  look at the report      {report}")
    else:
        yield Text(f"  write the report        {command} report")
    yield Text(f"  ask your own questions  {command} db psql")
    yield Text(f"  browse the lineage      {command} docs --open")
    if summary.overview["synthetic_playlists"]:
        yield Text("  use your own copy       make demo MPD=/path/to/spotify_million_playlist_dataset.zip")
    yield Text("  use it in a browser     make serve")


def _loaded(overview: Row, command: str) -> Iterator[Text]:
    yield _heading("Loaded")
    yield Text(
        f"  {counted(overview['playlists'], 'playlist')} with {counted(overview['track_rows'], 'track')}: "
        f"{overview['tracks']:,} different ones, on {counted(overview['albums'], 'album')}, "
        f"by {counted(overview['artists'], 'artist')}"
    )
    if overview["playlists_rejected"] or overview["slices_refused"]:
        yield Text(
            f"  kept aside: {counted(overview['playlists_rejected'], 'playlist')} and "
            f"{counted(overview['slices_refused'], 'slice')}, with reasons in staging.rejects and staging.slices"
        )
    if overview["synthetic_playlists"] == overview["playlists"]:
        yield Text("  these playlists are made: they prove the plumbing, they say nothing about music", style="yellow")
    elif overview["synthetic_playlists"]:
        yield Text(
            f"  {overview['synthetic_playlists']:,} of these playlists are made, and no number here is about the "
            f"others alone; to start afresh: {command} db reset",
            style="yellow",
        )


def _models(metrics: Sequence[Row]) -> Iterator[Text]:
    yield _heading("Models")
    by_name = {(row["metric"], row["scale"]): row for row in metrics}
    if ("rmse", "raw") not in by_name:
        yield Text("  playlist popularity: not trained yet")
    for scale, words in (("raw", "followers"), ("log1p", "log followers")):
        if row := by_name.get(("rmse", scale)):
            best = min(row["baseline_mean"], row["baseline_median"], row["baseline_one"])
            yield Text(
                f"  playlist popularity, {words}: RMSE {row['metric_value']:.3g}, "
                f"{'better' if row['metric_value'] < best else 'no better'} than a constant (always the mean: "
                f"{row['baseline_mean']:.3g}, always 1: {row['baseline_one']:.3g}); "
                f"R2 {by_name['r2', scale]['metric_value']:.3f}"
            )
    if row := by_name.get(("silhouette", None)):
        stability = by_name.get(("stability", None))
        yield Text(
            f"  artist trends: silhouette {row['metric_value']:.2f}"
            + (f", stability {stability['metric_value']:.2f}" if stability else "")
            + " (1 is best)"
        )
    else:
        yield Text("  artist trends: not trained yet")


def _section(title: str, entries: Sequence[str]) -> Iterator[Text]:
    yield _heading(title)
    for entry in entries or ["none found"]:
        yield Text(f"  {printable(entry)}")


def _heading(title: str) -> Text:
    return Text(title, style="bold green")
