"""Playlist popularity: the measures in words, the search, and the playlists that fall behind."""

import json
import re
from collections.abc import Callable
from typing import Any

import flask.testing
import plotly.utils
import pytest
from commands import Warehouse
from playwright.sync_api import Page, expect

from web.database import warehouse
from web.pages import popularity

NO_FILTER = {"genre": None, "length_band": None, "comparable_group": None, "prefix": "", "limit": 10_000}
SORTED_BY = {
    "behind": "log_gap",
    "gap": "follower_gap",
    "predicted": "predicted_followers",
    "followers": "num_followers",
    "tracks": "num_tracks",
}


def said(component: Any) -> str:
    """Return what a page would be sent as."""
    return json.dumps(component, cls=plotly.utils.PlotlyJSONEncoder)


def measured(error: float) -> list[str]:
    """Say how good a model with this error is, where the mean has 0.4 and the median 0.5."""
    champion = [{"champion": "two_part", "metric": "rmse", "scale": "log1p", "metric_value": 9.0}]
    candidates = [
        {"candidate": name, "metric": "rmse", "scale": "log1p", "metric_value": value}
        for name, value in (("two_part", error), ("constant_mean", 0.4), ("constant_median", 0.5))
    ]
    return popularity.in_words([], champion, candidates)


def test_what_serves_is_told_beside_the_best_constant() -> None:
    [sentence] = measured(0.2)
    assert sentence == (
        "What serves: two parts: any follower, and how many. Its error in the comparison is 0.200 (RMSE on log1p of "
        "followers, mean of repeated splits); “always the mean” has 0.400. That is 50% better."
    )
    assert measured(0.6)[0].endswith("That is 50% worse.")
    assert "says next to nothing" in measured(0.4)[0]


def test_targets_are_counted_as_they_were_met() -> None:
    target = {"metric": "rmse", "split": "test", "target_value": 0.3, "is_target_met": False}
    assert popularity.in_words([target, target], [], [])[0].endswith("the forest as specified meets none.")
    assert popularity.in_words([target, target | {"is_target_met": True}], [], [])[0].endswith("meets 1.")


def test_the_page_shows_measures_beside_constants_and_both_importances(client: flask.testing.FlaskClient) -> None:
    with client.application.test_request_context():
        page = said(popularity.layout())
        drawn = warehouse().cached("predictions_sampled")
        measures = warehouse().cached("popularity_metrics")
    for title in (
        "How good the predictions are",
        "What competed",
        "Where the forest splits",
        "Predicted against actual",
    ):
        assert title in page
    assert "features with many values come out large" in page
    [error] = [row for row in measures if (row["metric"], row["scale"], row["split"]) == ("rmse", "log1p", "test")]
    assert str(error["metric_value"]) in page
    assert str(error["baseline_median"]) in page
    assert len(drawn) == 200  # a fifth of the thousand is held out


def test_without_a_training_the_page_says_what_to_do_and_still_finds_playlists(untrained_app: flask.Flask) -> None:
    with untrained_app.test_request_context():
        page = said(popularity.layout())
    assert "No model is trained yet" in page
    assert "mixhouse train" in page
    assert "Find a playlist" in page


def test_a_title_is_found_by_how_it_begins_whatever_its_case_and_signs(
    new_web_warehouse: Callable[..., Warehouse], new_application: Callable[..., flask.Flask]
) -> None:
    copy = new_web_warehouse()
    with copy.connect() as connection:
        for pid, name, normalised, followers in (
            (1, "☀️ Quux", "quux", 3),
            (2, "QUUX!!", "quux", 9),
            (3, "quux 2017", "quux 2017", 99),
            (4, "% quux", "quux", 1),
            (5, "🎉🎉", "🎉🎉", 1),
        ):
            connection.execute(
                "update marts.playlists set name = %s, normalised_title = %s, num_followers = %s where pid = %s",
                [name, normalised, followers, pid],
            )
    with new_application(copy).test_request_context():

        def pids(prefix: str) -> list[int]:
            return [row["pid"] for row in warehouse().rows("playlists_found", q=prefix, limit=10, offset=0)]

        assert pids("Quux") == [2, 1, 4, 3]
        assert pids("  quux  20") == [3]
        assert pids("🎉") == [5]
        assert pids("quux_") == pids("quux%") == [2, 1, 4, 3]
        assert pids("_") == []
        assert pids("no playlist has that") == []


def test_every_title_finds_its_playlist(client: flask.testing.FlaskClient, web_warehouse: Warehouse) -> None:
    """The query normalises as the mart does, by the function that is made of the same macros."""
    named = web_warehouse.query("select name, normalised_title from marts.playlists order by pid limit 300")
    with client.application.test_request_context():
        for name, normalised in named:
            [found] = warehouse().rows("playlists_found", q=name, limit=1, offset=0)
            [[first]] = web_warehouse.query(f"select normalised_title from marts.playlists where pid = {found['pid']}")
            assert first == normalised, name


def test_a_number_finds_the_playlist_of_that_number_first(client: flask.testing.FlaskClient) -> None:
    with client.application.test_request_context():
        assert "/app/playlists/123" in said(popularity._found(" 123 "))
        assert "No playlist has a title" in said(popularity._found("99999999999999999999"))
        assert popularity._found("  ") is None


@pytest.mark.parametrize(("name", "column"), SORTED_BY.items())
def test_those_that_fall_behind_come_in_the_order_asked_for(
    client: flask.testing.FlaskClient, web_warehouse: Warehouse, name: str, column: str
) -> None:
    wanted = web_warehouse.query(
        f"select pid from insights.playlist_performance where is_underperforming order by {column} desc, pid"
    )
    with client.application.test_request_context():
        found = warehouse().rows("underperforming_playlists", sorted_by=name, **NO_FILTER)
    assert wanted
    assert [row["pid"] for row in found] == [pid for [pid] in wanted]


def test_filters_keep_what_is_like_them(client: flask.testing.FlaskClient, web_warehouse: Warehouse) -> None:
    [[pid, band, group, title]] = web_warehouse.query(
        "select pid, length_band, comparable_group, normalised_title from insights.playlist_performance"
        " where is_underperforming order by log_gap desc limit 1"
    )
    with client.application.test_request_context():

        def found(**filters: object) -> list[dict[str, Any]]:
            return warehouse().rows("underperforming_playlists", sorted_by="behind", **(NO_FILTER | filters))

        like_it = found(length_band=band, comparable_group=group, prefix=title)
        assert pid in [row["pid"] for row in like_it]
        assert all(row["comparable_group"] == group for row in like_it)
        assert found(genre="no such genre") == []
        assert found(prefix="%") == []
        assert "Take a filter away" in said(popularity._listed("behind", "no such genre", None, None, ""))


def test_a_look_up_by_title_reads_the_index(web_warehouse: Warehouse) -> None:
    with web_warehouse.connect() as connection:
        connection.execute("set enable_seqscan = off")
        plan = "\n".join(
            row[0]
            for row in connection.execute(
                "explain select * from marts.playlists where normalised_title >= 'a' and normalised_title < 'b'"
                " order by normalised_title, num_followers desc, pid limit 10"
            )
        )
    assert "Index Scan" in plan
    assert "Sort" not in plan


@pytest.mark.parametrize("width", [1440, 360])
def test_popularity_in_a_browser(
    browse: Callable[..., Page],
    assert_accessible: Callable[[Page], None],
    shoot: Callable[[Page, str], Any],
    width: int,
) -> None:
    page = browse("/app/popularity", width=width)
    expect(page.get_by_role("heading", level=1)).to_have_text("Playlist popularity")
    expect(page.locator(".js-plotly-plot")).to_have_count(6, timeout=15_000)
    assert_accessible(page)
    shoot(page, "popularity")


def test_a_curator_searches_filters_and_opens_a_playlist(browse: Callable[..., Page]) -> None:
    page = browse("/app/popularity")
    expect(page.get_by_role("link", name="(untitled)")).to_have_count(0)
    page.get_by_label("Title begins with").fill("no playlist begins so")
    expect(page.get_by_text("Take a filter away")).to_be_visible()
    page.get_by_label("Title begins with").fill("")
    expect(page.get_by_text("Take a filter away")).to_have_count(0)
    page.get_by_label("Title or number").fill("7")
    found = page.locator("#popularity-found a").first
    expect(found).to_be_visible()
    title = found.inner_text()
    found.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    expect(page).to_have_url(re.compile("/app/playlists/7$"))
