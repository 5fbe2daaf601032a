"""Data quality and rejects."""

import json
from collections.abc import Callable
from typing import Any

import flask
import plotly.utils
import pytest
from commands import Warehouse
from playwright.sync_api import Page, expect

from loaders.schema import PLAYLIST_REASONS
from web.pages import quality


def said(component: Any) -> str:
    """Return what a page would be sent as."""
    return json.dumps(component, cls=plotly.utils.PlotlyJSONEncoder)


def test_what_was_refused_is_said_with_what_to_do(eventful_app: flask.Flask) -> None:
    with eventful_app.test_request_context():
        page = said(quality.layout())
    assert "No error is in the warehouse: numbers can be relied on." in page
    assert "Kept aside until put right: 3 playlists and 1 file." in page
    assert "all kept aside, none in the warehouse" in page
    assert PLAYLIST_REASONS["bad_uri"] in page
    assert "mixhouse rejects export" in page
    assert "The last one, " in page
    assert "everything landed, 1,000 playlists landed" in page


def test_an_error_in_the_warehouse_is_no_small_thing() -> None:
    counts = {"errors_in_data": 1, "warnings_in_data": 0, "playlists_rejected": 0, "slices_refused": 0}
    assert "make numbers wrong" in quality._verdict(counts)
    assert "1 other rule is broken" in quality._verdict(counts | {"errors_in_data": 0, "warnings_in_data": 1})
    assert "1 playlist." in quality._verdict(counts | {"errors_in_data": 0, "playlists_rejected": 1})


def test_where_nothing_was_refused_nothing_is_to_be_put_right(
    web_warehouse: Warehouse, client: flask.testing.FlaskClient
) -> None:
    with client.application.test_request_context():
        page = said(quality.layout())
    assert "Nothing was ever refused." in page
    assert "mixhouse rejects export" not in page


@pytest.mark.parametrize("width", [1440, 360])
def test_the_page_can_be_read(
    browse: Callable[..., Page],
    eventful_address: str,
    assert_accessible: Callable[[Page], None],
    shoot: Callable[[Page, str], object],
    width: int,
) -> None:
    page = browse("/app/quality", address=eventful_address, width=width)
    expect(page.get_by_role("heading", level=1)).to_have_text("Data quality and rejects")
    expect(page.get_by_role("heading", name="Putting it right")).to_be_visible()
    assert_accessible(page)
    shoot(page, "quality")
    with page.expect_download() as download:
        page.get_by_role("region", name="Rules and the rows").get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "data-quality.csv"
