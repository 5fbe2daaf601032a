"""Reports as CSV."""

import csv
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import flask.testing
import pytest
from commands import Warehouse

from web.api.reports import REPORTS, harmless

Client = flask.testing.FlaskClient


def lines(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_each_report_has_all_rows_of_its_table(client: Client, web_warehouse: Warehouse, report: Any) -> None:
    schema = "marts" if report.name == "playlists" else "insights"
    table = {"rejects": "rejects_by_reason"}.get(report.name, report.name)
    [(count,)] = web_warehouse.query(f"select count(*) from {schema}.{table}")
    answer = client.get(f"/reports/{report.name}.csv")
    assert answer.status_code == 200
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"] == (
        f'attachment; filename="mixhouse-{report.name.replace("_", "-")}.csv"'
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.data.startswith("\ufeff".encode())
    assert len(lines(answer)) == count
    assert client.head(f"/reports/{report.name}.csv").data == b""


def test_the_list_leads_to_each_report_and_its_filters(client: Client) -> None:
    found = client.get("/reports").get_json()["reports"]
    assert [entry["name"] for entry in found] == [report.name for report in REPORTS]
    assert all(client.get(entry["path"]).status_code == 200 for entry in found)
    filters = {entry["name"]: entry["filters"] for entry in found}
    assert filters["playlist_performance"] == ["genre", "is_underperforming"]
    assert filters["genres"] == []


def test_filters_narrow(client: Client, web_warehouse: Warehouse) -> None:
    [(artist,)] = web_warehouse.query("select min(artist_uri) from insights.similar_artists")
    [(cluster, stage)] = web_warehouse.query(
        "select cluster_id, stage from insights.artist_performance group by 1, 2 order by count(*) limit 1"
    )
    for path, condition in {
        "playlists.csv?genre=rock": ("marts.playlists", "genre = 'rock'"),
        "playlist_performance.csv?is_underperforming=true": ("insights.playlist_performance", "is_underperforming"),
        "playlist_performance.csv?is_underperforming=false&genre=rock": (
            "insights.playlist_performance",
            "not is_underperforming and genre = 'rock'",
        ),
        f"artist_performance.csv?cluster_id={cluster}&stage={stage}": (
            "insights.artist_performance",
            f"cluster_id = {cluster} and stage = '{stage}'",
        ),
        f"similar_artists.csv?artist_id={artist}": ("insights.similar_artists", f"artist_uri = '{artist}'"),
    }.items():
        [(count,)] = web_warehouse.query(f"select count(*) from {condition[0]} where {condition[1]}")
        assert len(lines(client.get(f"/reports/{path}"))) == count, path


def test_cells_are_what_the_database_has(client: Client, web_warehouse: Warehouse) -> None:
    [row] = web_warehouse.rows("select * from marts.playlists order by pid limit 1")
    first = lines(client.get("/reports/playlists.csv"))[0]
    assert list(first) == list(row)
    assert first["collaborative"] == str(row["collaborative"]).lower()
    assert first["modified_at"] == row["modified_at"].isoformat()
    assert float(first["predicted_followers"]) == row["predicted_followers"]
    assert first["duplicate_of_pid"] == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("- chill -", "'- chill -"),
        ("@home", "'@home"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("\uff1d1", "'\uff1d1"),
        ("'=1", "''=1"),
        ("rock", "rock"),
        ("'90s", "'90s"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_no_text_is_a_formula(text: str, expected: str) -> None:
    assert harmless(text) == expected


def test_titles_that_are_formulas_or_break_lines_come_through(
    new_application: Callable[..., flask.Flask], new_web_warehouse: Callable[..., Warehouse]
) -> None:
    warehouse = new_web_warehouse()
    titles = ['=cmd|" /C calc"!A0', 'a "quoted", one', "two\nlines", "<script>alert(1)</script>", "\U0001f3b8"]
    with warehouse.connect() as connection:
        for pid, title in enumerate(titles):
            connection.execute("update marts.playlists set name = %s where pid = %s", [title, pid])
    found = lines(new_application(warehouse).test_client().get("/reports/playlists.csv"))
    assert [row["name"] for row in found[: len(titles)]] == ["'" + titles[0], *titles[1:]]


def test_a_long_report_is_not_held_in_memory(
    new_application: Callable[..., flask.Flask], new_web_warehouse: Callable[..., Warehouse]
) -> None:
    warehouse = new_web_warehouse()
    with warehouse.connect() as connection:
        connection.execute("alter table insights.genres drop constraint if exists genres_pkey")
        connection.execute("alter table insights.genres drop constraint if exists genres__dbt_tmp_pkey")
        connection.execute(
            "insert into insights.genres (genre, usual_title)"
            " select 'genre ' || number, repeat('x', 500) from generate_series(1, 60000) as number"
        )
    client = new_application(warehouse).test_client()
    client.get("/reports/feature_importances.csv").close()
    tracemalloc.start()
    try:
        size = sum(len(part) for part in client.get("/reports/genres.csv", buffered=False).response)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 30_000_000
    assert peak < 6_000_000


def test_whoever_stops_reading_gives_the_connection_back(client: Client) -> None:
    pool = client.application.extensions["warehouse"].engine.pool
    for _ in range(20):
        answer = client.get("/reports/artist_performance.csv", buffered=False)
        next(iter(answer.response))
        answer.close()
    assert pool.checkedout() == 0


def test_the_performance_report_is_served_as_it_was_written(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MIXHOUSE_HOME", str(tmp_path))
    answer = client.get("/reports/performance.html")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "latest.html").write_text("<h1>Report</h1>", encoding="utf-8")
    with client.get("/reports/performance.html") as answer:
        assert (answer.status_code, answer.mimetype, answer.text) == (200, "text/html", "<h1>Report</h1>")
        assert "connect-src 'self'" in answer.headers["Content-Security-Policy"]
