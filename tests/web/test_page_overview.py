"""The overview."""

import json
from collections.abc import Callable
from typing import Any

import flask.testing
import plotly.utils
import pytest
from commands import Warehouse
from playwright.sync_api import Page, expect

from web.pages import overview

EVENT = {
    "kind": "load",
    "subject": "run",
    "outcome": "succeeded",
    "rows_done": 1_000,
    "rows_kept_aside": 0,
    "slices_refused": 0,
    "detail": None,
}


def said(component: Any) -> str:
    """Return what a page would be sent as."""
    return json.dumps(component, cls=plotly.utils.PlotlyJSONEncoder)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({}, "Loaded 1,000 playlists."),
        (
            {"rows_kept_aside": 1, "slices_refused": 2},
            "Loaded 1,000 playlists, and kept 1 playlist and 2 slices aside.",
        ),
        ({"outcome": "running", "rows_done": None}, "A load is under way."),
        ({"outcome": "cut_short", "detail": "the disk is full"}, "A load cut short: the disk is full"),
        ({"kind": "build", "subject": "full"}, "Built everything anew."),
        ({"kind": "build", "subject": "incremental"}, "Built what was new."),
        ({"kind": "build", "subject": "full", "outcome": "failed", "detail": "a test"}, "A build failed: a test"),
        ({"kind": "training", "subject": "artist_trends", "rows_done": 1}, "Trained artist trends on 1 artist."),
        (
            {"kind": "scoring", "subject": "playlist_popularity", "rows_done": 7},
            "With the model of playlist popularity, scored 7 playlists.",
        ),
        (
            {"kind": "training", "subject": "playlist_popularity", "outcome": "failed", "detail": "too few"},
            "Training playlist popularity failed: too few",
        ),
        ({"kind": "run", "subject": "build", "outcome": "queued"}, "A build, started here, waits for its turn."),
        (
            {"kind": "run", "subject": "train", "detail": "All is trained."},
            "A training, started here, succeeded: All is trained.",
        ),
    ],
)
def test_what_happened_is_a_sentence(event: dict[str, Any], words: str) -> None:
    assert overview.event_in_words(EVENT | event) == words


def test_clusters_are_judged_on_the_scale_that_made_them() -> None:
    candidate = {
        "candidate": "log_scaled",
        "is_champion": True,
        "clusters": 6.0,
        "largest_share": 0.43,
        "stability": 0.98,
        "silhouette_raw": 0.9,
        "silhouette_log": 0.2,
    }
    apart, _ = overview.clusters_in_words(1_234, [candidate])
    assert apart.startswith("1,234 artists in 6 clusters that are barely apart: a silhouette of 0.20 on the log scale")
    specified = candidate | {"candidate": "specified"}
    assert "clearly apart: a silhouette of 0.90 (" in overview.clusters_in_words(1_234, [specified])[0]
    assert overview.clusters_in_words(1_234, [candidate | {"is_champion": False}]) == []


def test_the_overview_says_what_is_there_and_that_it_was_made(client: flask.testing.FlaskClient) -> None:
    with client.application.test_request_context():
        page = said(overview.layout())
    assert "Mixhouse made these playlists" in page
    assert "Trained on 1,000 playlists; the marts have no more now." in page
    assert "Everything that landed is in." in page
    assert "What serves: " in page
    assert "Loaded 1,000 playlists." in page
    assert "Built everything anew." in page


def test_what_has_landed_since_the_build_is_said(
    new_web_warehouse: Callable[..., Warehouse], new_application: Callable[..., flask.Flask]
) -> None:
    warehouse = new_web_warehouse()
    with warehouse.connect() as connection:
        connection.execute(
            "insert into ops.loads (command, paths, options, system_user_name, host, finished_at, outcome,"
            " slices_landed, playlists_landed, playlists_rejected, slices_refused)"
            " values ('load', '{}', '{}', 'someone', 'here', clock_timestamp(), 'succeeded', 1, 321, 0, 0)"
        )
    with new_application(warehouse).test_request_context():
        page = said(overview.layout())
    assert "321 playlists landed since." in page
    assert "Start a build" in page


def test_without_a_training_the_overview_says_what_to_do(untrained_app: flask.Flask) -> None:
    with untrained_app.test_request_context():
        page = said(overview.layout())
    assert "Not trained yet." in page
    assert "Recommendations appear when a model of playlist popularity is trained." in page


@pytest.mark.parametrize("width", [1440, 360])
def test_the_overview_in_a_browser(
    browse: Callable[..., Page],
    assert_accessible: Callable[[Page], None],
    shoot: Callable[[Page, str], Any],
    width: int,
) -> None:
    page = browse("/app/", width=width)
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    expect(page.get_by_role("heading", name="What happened last")).to_be_visible()
    assert_accessible(page)
    shoot(page, "overview")
    page.get_by_role("link", name="Playlist popularity in full").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Playlist popularity")
