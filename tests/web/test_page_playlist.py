"""One playlist, and what if it were another."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import flask.testing
import plotly.utils
import pytest
from commands import Warehouse
from playwright.sync_api import Page, expect

from python_ml.playlist_popularity import ALL_FEATURES
from web.database import warehouse
from web.pages import playlist
from web.predictions import predict_playlist
from web.problems import Conflict, NotFound

SCRIPT = "<script>document.title = 'taken over'</script> **bold** [link](http://example.com)"


def said(component: Any) -> str:
    """Return what a page would be sent as."""
    return json.dumps(component, cls=plotly.utils.PlotlyJSONEncoder)


def row_of(pid: int) -> dict[str, Any]:
    found = warehouse().row("playlist", pid=pid)
    assert found is not None
    return found


def test_a_what_if_that_changes_nothing_is_the_prediction_in_the_mart(client: flask.testing.FlaskClient) -> None:
    with client.application.test_request_context():
        for pid in range(0, 1_000, 25):
            row = row_of(pid)
            features = playlist.changed_features(row, playlist.as_it_is(row))
            assert features == playlist.own_features(row)
            assert features.keys() == set(ALL_FEATURES)
            predicted = predict_playlist(features)
            assert predicted["predicted_followers"] == pytest.approx(row["predicted_followers"], rel=1e-12), pid
            assert (predicted["interval_low"], predicted["interval_high"]) == (
                row["predicted_low"],
                row["predicted_high"],
            )
            assert predicted["confidence_score"] == pytest.approx(row["confidence_score"], rel=1e-12)


def test_a_change_reaches_every_feature_that_depends_on_it(client: flask.testing.FlaskClient) -> None:
    with client.application.test_request_context():
        row = row_of(0)
    now = playlist.as_it_is(row)
    changed = playlist.changed_features(
        row, replace(now, num_tracks=40, num_artists=10, num_albums=20, track_minutes=3.0, has_description=True)
    )
    assert changed["num_tracks"] == 40
    assert changed["unique_artists"] == 10
    assert changed["tracks_per_artist"] == 4
    assert changed["avg_tracks_per_album"] == 2
    assert changed["avg_track_duration"] == 180_000
    assert changed["duration_ms"] == 7_200_000
    assert changed["has_description"] == 1
    assert changed["title_length"] == row["title_length"]
    # Longer by tracks alone: they are as long as they were, to the last digit.
    longer = playlist.changed_features(row, replace(now, num_tracks=2 * now.num_tracks))
    assert longer["duration_ms"] == 2 * row["duration_ms"]


def test_no_playlist_has_more_artists_than_tracks(client: flask.testing.FlaskClient) -> None:
    with client.application.test_request_context():
        row = row_of(0)
        change = replace(playlist.as_it_is(row), num_tracks=5, num_artists=50, num_albums=60)
        changed = playlist.changed_features(row, change)
        answer = said(playlist._answer(row, change))
    assert (changed["unique_artists"], changed["num_albums"]) == (5, 5)
    assert "No playlist has more artists than tracks: counted as 5." in answer
    assert "is no promise" in answer


def test_changes_are_told_in_words() -> None:
    now = playlist.Change(20, 15, 18, 3.9, has_description=False, collaborative=True)
    assert playlist.changes_in_words(now, now) == []
    changed = replace(now, num_tracks=1_000, track_minutes=3.0, has_description=True, collaborative=False)
    assert playlist.changes_in_words(now, changed) == [
        "1,000 tracks instead of 20",
        "tracks of 3.0 minutes instead of 3.9",
        "with a description",
        "edited by one person",
    ]


@pytest.mark.parametrize(
    ("milliseconds", "words"), [(59_000, "1 min"), (3_540_000, "59 min"), (3_600_000, "1 h 0 min"), (0, "0 min")]
)
def test_a_duration_is_told_as_people_do(milliseconds: int, words: str) -> None:
    assert playlist.duration(milliseconds) == words


def test_growth_is_told_from_the_first_version_to_the_last() -> None:
    versions = [
        {"num_followers": 5, "tracks_added": None, "tracks_removed": None},
        {"num_followers": 4, "tracks_added": 3, "tracks_removed": 1},
        {"num_followers": 8, "tracks_added": 2, "tracks_removed": 0},
    ]
    assert playlist.growth_in_words(versions) == (
        "It landed 3 times. It has 3 followers more than at first; 5 tracks came in and 1 track went out."
    )


@pytest.mark.parametrize("pid", ["", "-1", "999999", "99999999999", "1.5", "\u0661", "x", "<script>"])
def test_what_is_no_playlist_is_not_found(client: flask.testing.FlaskClient, pid: str) -> None:
    with client.application.test_request_context(), pytest.raises(NotFound):
        playlist.layout(pid=pid)


def test_the_page_has_numbers_tracks_in_order_and_the_most_followed_of_its_group(
    client: flask.testing.FlaskClient,
) -> None:
    with client.application.test_request_context():
        row = row_of(3)
        page = said(playlist.layout(pid="3"))
        tracks = warehouse().cached("playlist_tracks", pid=3)
        comparable = warehouse().cached("playlists_comparable", comparable_group=row["comparable_group"], pid=3)
    assert [track["pos"] for track in tracks] == list(range(row["num_tracks"]))
    assert json.dumps(tracks[0]["track_name"]) in page
    followers = [other["num_followers"] for other in comparable]
    assert followers == sorted(followers, reverse=True)
    assert 3 not in [other["pid"] for other in comparable]
    assert f"What it is made of suggests {row['predicted_followers']:,.1f} followers" in page


def test_a_recommendation_shows_its_evidence() -> None:
    advice = {
        "recommendation_rank": 1,
        "recommendation": "add_diverse_artists",
        "action": "add artists",
        "current_value": 5,
        "suggested_value": 12,
        "unit": "artists",
        "reason": "it has few",
        "expected_gain": 0.193,
        "expected_gain_pct": 21.3,
        "gain_standard_error": 0.064,
        "evidence": "clear",
        "weak_playlists": 1_622,
        "other_playlists": 43,
    }
    page = said(playlist._recommendation(advice))
    for words in ("1. Add artists", "evidence: clear", "+21.3 %", "standard error 0.064", "1,622 like this one, 43 as"):
        assert words in page
    assert "Difference in followers" not in said(
        playlist._recommendation(advice | {"expected_gain": None, "gain_standard_error": None, "evidence": "none"})
    )


def test_a_playlist_without_a_prediction_says_what_to_do(untrained_app: flask.Flask) -> None:
    with untrained_app.test_request_context():
        page = said(playlist.layout(pid="3"))
        with pytest.raises(Conflict, match="No model of playlist popularity serves yet"):
            predict_playlist(playlist.own_features(row_of(3)))
    assert "No prediction yet" in page
    assert "What if" not in page


@pytest.mark.parametrize("width", [1440, 360])
def test_a_playlist_in_a_browser(
    browse: Callable[..., Page],
    assert_accessible: Callable[[Page], None],
    shoot: Callable[[Page, str], Any],
    web_warehouse: Warehouse,
    width: int,
) -> None:
    [[pid]] = web_warehouse.query(
        "select pid from insights.playlist_recommendations order by is_underperforming desc, log_gap desc limit 1"
    )
    page = browse(f"/app/playlists/{pid}", width=width)
    expect(page.get_by_role("heading", name="What if")).to_be_visible()
    expect(page.get_by_role("heading", name="1. ")).to_be_visible()
    assert_accessible(page)
    shoot(page, "playlist")


def test_a_what_if_answers_to_the_keyboard_and_can_be_taken_back(browse: Callable[..., Page]) -> None:
    page = browse("/app/playlists/3")
    answer = page.locator("#playlist-answer")
    expect(answer).to_contain_text("Nothing is changed yet")
    slider = page.get_by_role("slider", name="Tracks")
    before = int(slider.get_attribute("aria-valuenow") or "")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(answer).to_contain_text(f"{before + 1} tracks instead of {before}")
    page.get_by_label("Has a description").press("Space")
    expect(answer).to_contain_text("with a description")
    page.get_by_role("button", name="As it is").click()
    expect(answer).to_contain_text("Nothing is changed yet")


def test_titles_of_strangers_are_text_and_growth_is_shown(
    new_web_warehouse: Callable[..., Warehouse],
    start_server: Callable[..., Any],
    browse: Callable[..., Page],
    complaints: object,
    assert_accessible: Callable[[Page], None],
) -> None:
    complaints.expected = ("404 (NOT FOUND)",)  # type: ignore[attr-defined]
    copy = new_web_warehouse()
    with copy.connect() as connection:
        connection.execute("update marts.playlists set name = %s, description = %s where pid = 3", [SCRIPT, SCRIPT])
        connection.execute("update insights.playlist_performance set name = %s where num_followers > 5", [SCRIPT])
        connection.execute("update marts.tracks set track_name = %s, track_uri = track_uri", [SCRIPT])
        connection.execute("update marts.playlists set name = null where pid = 4")
        connection.execute(
            "insert into insights.playlist_growth (pid, version, slice_id, name, is_current, num_followers,"
            " followers_change, num_tracks, tracks_added, tracks_removed, modified_at, landed_at)"
            " select 3, version, 1, %s, version = 2, version, version - 1, 10, 2, 1, now(), now()"
            " from generate_series(1, 2) as version",
            [SCRIPT],
        )
    address = start_server(copy, "--no-worker").address
    page = browse("/app/playlists/3", address=address)
    expect(page.get_by_role("heading", level=1)).to_have_text(SCRIPT)
    expect(page).to_have_title(f"{SCRIPT} · Mixhouse")
    expect(page.get_by_role("heading", name="How it grew")).to_be_visible()
    expect(page.get_by_text("It landed 2 times.")).to_be_visible()
    assert page.locator("#main strong, #main a[href='http://example.com']").count() == 0
    assert_accessible(page)
    untitled = browse("/app/playlists/4", address=address)
    expect(untitled.get_by_role("heading", level=1)).to_have_text("(untitled)")
    nowhere = browse("/app/playlists/999999", address=address)
    expect(nowhere.get_by_role("heading", level=1)).to_have_text("There is nothing here")
