"""The web application on an older PostgreSQL: every query, every page, and a run."""

from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Warehouse
from serving import CALLBACK, Server, page_request, wait_for

from loaders.synthetic import write_slices


@pytest.fixture
def older(older_server: dict[str, str], tmp_path: Path) -> Warehouse:
    """A warehouse on the older server, with what is needed for every page to have something to show."""
    with Warehouse(older_server).connect() as connection:
        connection.autocommit = True
        connection.execute("create database older_web")
    warehouse = Warehouse(older_server | {"PGDATABASE": "older_web", "MIXHOUSE_HOME": str(tmp_path / "home")})
    write_slices(tmp_path / "playlists", 1_000, seed=1)
    warehouse.run("mixhouse", "run", tmp_path / "playlists")
    return warehouse


def test_an_older_server_answers_api_and_pages_and_does_runs(
    older: Warehouse, start_server: Callable[..., Server]
) -> None:
    server = start_server(older)
    [[uri]] = older.query("select artist_uri from insights.artist_performance order by artist_rank, artist_uri limit 1")
    [[genre]] = older.query("select genre from marts.playlists where genre is not null order by pid limit 1")
    [[training]] = older.query("select min(run_id) from ml.model_runs")
    run = server.ask("POST", "/runs", {"kind": "build"})
    assert run.status == 202, run.body
    run_id = run.json()["run_id"]
    parts = {"pid": 1, "artist_id": uri, "genre": genre, "cluster_id": 0}
    asked = 0
    for path, methods in server.ask("GET", "/openapi.json").json()["paths"].items():
        if "get" not in methods:
            continue
        number = training if path.startswith("/model_runs") else run_id
        address = path.format(**parts, run_id=number).replace(" ", "%20")
        answer = server.ask("GET", address)
        assert answer.status == 200, (address, answer.body)
        asked += 1
    assert asked > 35
    for search in ("/playlists?q=a", "/artists?q=a", "/reports/playlists.csv?genre=rock"):
        assert server.ask("GET", search).status == 200
    server.ask("GET", "/app/_dash-dependencies")
    for page in ("", "popularity", "artists", "genres", "runs", "quality", "lineage", "playlists/1", f"artists/{uri}"):
        shown = server.ask("POST", CALLBACK, page_request(f"/app/{page}"))
        assert shown.status == 200, (page, shown.body)
        assert "There is nothing here" not in shown.body.decode(), page
    wait_for(lambda: server.ask("GET", f"/runs/{run_id}").json()["status"] == "succeeded", 120, "the run")
