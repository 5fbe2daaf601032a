"""What pages are made of: words for what went wrong, and tables as files."""

import csv
import json
import re
from collections.abc import Callable

import flask
import plotly.utils
import pytest
from commands import Warehouse
from playwright.sync_api import Page
from serving import Server

from web.pages import artist, components
from web.problems import DatabaseAway, NotFound


def test_a_problem_of_a_callback_is_told_and_said_by_screen_readers() -> None:
    def fail() -> object:
        raise NotFound("No such thing.")

    told = components.told(fail)
    assert told.role == "alert"
    assert "No such thing." in json.dumps(told, cls=plotly.utils.PlotlyJSONEncoder)


def test_a_page_that_loses_the_database_says_so_in_place(
    client: flask.testing.FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise DatabaseAway

    monkeypatch.setattr("web.pages.artists.found", away)
    body = {
        "output": "artists-found.children",
        "outputs": {"id": "artists-found", "property": "children"},
        "inputs": [{"id": "artists-name", "property": "value", "value": "a"}],
        "changedPropIds": ["artists-name.value"],
    }
    answer = client.post("/app/_dash-update-component", json=body)
    assert answer.status_code == 200
    assert b"The database does not answer" in answer.data


def test_a_downloaded_table_has_no_formula(
    browse: Callable[..., Page],
    new_web_warehouse: Callable[..., Warehouse],
    start_server: Callable[..., Server],
) -> None:
    warehouse = new_web_warehouse()
    with warehouse.connect() as connection:
        connection.execute("update marts.playlists set name = '=HYPERLINK(1)'")
        [uri] = connection.execute("select artist_uri from insights.artist_performance limit 1").fetchone() or ("",)
    page = browse(str(artist.path_of(uri)), address=start_server(warehouse, "--no-worker").address)
    with page.expect_download() as download:
        page.get_by_role("region", name="Playlists with the most followers").get_by_role("button").first.click()
    with download.value.path().open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["Playlist"] for row in rows} == {"'=HYPERLINK(1)"}
    assert all(re.fullmatch(r"[\d,]+", row["Followers"]) for row in rows)
