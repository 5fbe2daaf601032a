"""Genres and trends."""

import html
import json
from collections.abc import Callable
from datetime import date
from typing import Any

import flask
import plotly.utils
import pytest
from commands import Warehouse
from playwright.sync_api import Page, expect

from web.pages import genres


def said(component: Any) -> str:
    """Return what a page would be sent as."""
    return json.dumps(component, cls=plotly.utils.PlotlyJSONEncoder)


def test_what_rises_and_falls_is_named(eventful_app: flask.Flask, eventful_warehouse: Warehouse) -> None:
    directions = dict(
        eventful_warehouse.query(
            "select direction, min(genre) from insights.genre_monthly_trends where modified_month = '2017-10-01' group "
            "by 1"
        )
    )
    with eventful_app.test_request_context():
        page = said(genres.layout())
    assert f"Rising: {directions['rising']}. Falling: {directions['falling']}. 1 genre has too few" in page
    assert "smoothed" in page


def test_the_chart_has_a_line_for_each_genre_that_is_chosen(eventful_app: flask.Flask) -> None:
    with eventful_app.test_request_context():
        known = list(dict.fromkeys(genres.warehouse().frame("genre_months")["genre"]))
        chart = genres.lines([known[2], known[0]]).children
        assert [html.unescape(trace.name) for trace in chart.figure.data] == [known[2], known[0]]
        assert "Choose genres" in said(genres.lines([]))
        assert "Too few playlists" in said(genres.lines(["no such genre"]))


def test_the_top_of_a_genre_has_those_whose_genre_it_is(
    eventful_app: flask.Flask, eventful_warehouse: Warehouse
) -> None:
    [[genre, count]] = eventful_warehouse.query(
        "select genre, count(*) from insights.artist_genres where is_primary group by 1 order by 2 desc limit 1"
    )
    with eventful_app.test_request_context():
        tables = [part for part in genres.top(genre)._traverse() if hasattr(part, "rowData")]
    assert len(tables[0].rowData) == min(count, genres.MOST_OF_A_GENRE)
    playlists = [row["playlists"] for row in tables[0].rowData]
    assert playlists == sorted(playlists, reverse=True)


def test_artists_of_a_month_are_those_furthest_from_what_was_expected(eventful_app: flask.Flask) -> None:
    with eventful_app.test_request_context():
        shown = genres.changed(date(2017, 10, 1))
        assert "3 of these artists are rising, 2 falling" in said(shown)
        assert [row["month"] for row in genres.warehouse().rows("artist_trend_months")] == [
            date(2017, 10, 1),
            date(2017, 9, 1),
        ]


def test_too_few_playlists_are_said_to_be_too_few(
    new_web_warehouse: Callable[..., Warehouse], new_application: Callable[..., flask.Flask]
) -> None:
    warehouse = new_web_warehouse()
    with warehouse.connect() as connection:
        connection.execute("truncate insights.genre_monthly_trends, insights.artist_monthly_trends")
    with new_application(warehouse).test_request_context():
        page = said(genres.layout())
        assert "Too few playlists to speak of months" in page
        assert "No artist is in the 500 playlists" in page
    with warehouse.connect() as connection:
        connection.execute("truncate insights.genres")
    with new_application(warehouse).test_request_context():
        assert "No playlist names a genre" in said(genres.layout())


@pytest.mark.parametrize("width", [1440, 360])
def test_genres_can_be_compared(
    browse: Callable[..., Page],
    eventful_address: str,
    assert_accessible: Callable[[Page], None],
    shoot: Callable[[Page, str], object],
    width: int,
) -> None:
    page = browse("/app/genres", address=eventful_address, width=width)
    expect(page.get_by_role("heading", level=1)).to_have_text("Genres and trends")
    lines = page.locator("#genres-shares .scatterlayer .trace")
    expect(lines).to_have_count(4)
    assert_accessible(page)
    shoot(page, "genres")
    page.get_by_label("Genres", exact=True).first.click()
    page.get_by_role("option", selected=False).first.click()
    expect(lines).to_have_count(5)
    page.keyboard.press("Escape")
    page.get_by_role("textbox", name="Month").click()
    page.get_by_role("option", name="September 2017").click()
    expect(page.get_by_text("September 2017: 3 of these artists are rising")).to_be_visible()
