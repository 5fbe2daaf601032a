"""Artist trends, and one artist."""

import json
from collections.abc import Callable
from typing import Any

import flask
import plotly.utils
import pytest
from commands import Warehouse
from playwright.sync_api import Page, expect

from web.pages import artist, artists, shell

SCRIPT = "<script>alert(1)</script>"


def said(component: Any) -> str:
    """Return what a page would be sent as."""
    return json.dumps(component, cls=plotly.utils.PlotlyJSONEncoder)


@pytest.fixture
def best_artist(eventful_warehouse: Warehouse) -> str:
    [[uri]] = eventful_warehouse.query(
        "select artist_uri from insights.artist_performance order by artist_rank, artist_uri limit 1"
    )
    return str(uri)


def test_the_page_has_kinds_recommendations_and_what_happened(
    eventful_app: flask.Flask, eventful_warehouse: Warehouse
) -> None:
    with eventful_app.test_request_context():
        page = said(artists.layout())
    for title in (
        "Whom to look at",
        "Kinds of artists",
        "Map of artists",
        "Risers and fallers",
        "All artists by score",
    ):
        assert title in page
    assert "Rose in October 2017" in page
    reasons = eventful_warehouse.query(
        "select reason from insights.artist_recommendations where recommendation_rank = 1"
    )
    assert reasons
    assert all(json.dumps(reason) in page for (reason,) in reasons)
    assert "in 39 of the 500 playlists" in page  # the reason of a jump


def test_counts_of_recommendations_are_those_of_the_table(
    eventful_app: flask.Flask, eventful_warehouse: Warehouse
) -> None:
    counted = dict(
        eventful_warehouse.query("select recommendation, count(*) from insights.artist_recommendations group by 1")
    )
    with eventful_app.test_request_context():
        page = said(artists.layout())
    assert counted
    for name, (title, _) in artist.RECOMMENDATIONS.items():
        assert f"{title} ({counted.get(name, 0)})" in page


def test_a_search_finds_names_by_how_they_begin_whatever_their_case(
    eventful_app: flask.Flask, best_artist: str
) -> None:
    with eventful_app.test_request_context():
        page = said(artists.found("<SCRIPT"))
        assert SCRIPT in page
        assert artist.path_of(best_artist) in page  # type: ignore[operator]
        assert "begins so" in said(artists.found("no artist has a name like this"))
        # What LIKE means something by is a letter like any other.
        assert "begins so" in said(artists.found("%"))
        assert "begins so" in said(artists.found("_"))
        assert artists.found("  ") is None


def test_filters_look_through_all_artists(eventful_app: flask.Flask, eventful_warehouse: Warehouse) -> None:
    [[cluster, stage]] = eventful_warehouse.query(
        "select cluster_id, stage from insights.artist_performance"
        " group by cluster_id, stage order by count(*) < 200 desc, count(*) desc limit 1"
    )
    expected = eventful_warehouse.query(
        "select artist_name from insights.artist_performance"
        f" where cluster_id = {cluster} and stage = '{stage}' order by artist_rank, artist_uri"
    )
    with eventful_app.test_request_context():
        table = artists.best(None, cluster, stage).children[1].children[1]
        assert [row["artist_name"] for row in table.rowData] == [name for (name,) in expected[:200]]
        # A name with the others.
        name = expected[-1][0]
        narrow = artists.best(name, cluster, stage).children[1].children[1]
        assert {row["artist_name"] for row in narrow.rowData} == {
            other for (other,) in expected if other.lower().startswith(name.lower())
        }
        assert "No artist is like that" in said(artists.best("no artist has a name like this", None, None))


def test_an_artist_has_its_numbers_and_what_to_do(
    eventful_app: flask.Flask, eventful_warehouse: Warehouse, best_artist: str
) -> None:
    [row] = eventful_warehouse.rows(f"select * from insights.artist_performance where artist_uri = '{best_artist}'")
    tracks = eventful_warehouse.query(
        f"select track_name from marts.tracks where artist_uri = '{best_artist}'"
        " order by playlist_appearances desc, track_id limit 25"
    )
    playlists = eventful_warehouse.query(
        "select distinct playlists.pid, playlists.num_followers from marts.playlists"
        " inner join marts.playlist_tracks on playlists.pid = playlist_tracks.pid"
        f" where playlist_tracks.artist_id = {row['artist_id']} order by num_followers desc, pid limit 20"
    )
    with eventful_app.test_request_context():
        page = artist.layout(best_artist.removeprefix("spotify:artist:"))
        whole = artist.layout(best_artist)
    tables = {
        part.id["table"]: part.rowData
        for part in page._traverse()
        if getattr(part, "id", None) and isinstance(part.id, dict) and part.id["role"] == "table"
    }
    text = said(page)
    assert text == said(whole)
    assert SCRIPT in text
    assert f"{row['playlist_appearances']:,}" in text
    assert artist.RECOMMENDATIONS["collaborate"][0] in text
    assert "October 2017: in 39 of 500 playlists, where its share before would give 20.0." in text
    assert [found["track_name"] for found in tables["artist-tracks"]] == [name for (name,) in tracks]
    assert [found["num_followers"] for found in tables["artist-playlists"]] == [count for _, count in playlists]
    assert "<script>alert(2)</script>" in {found["name"] for found in tables["artist-playlists"]}


def test_playlists_of_an_artist_are_the_same_however_they_are_looked_for(
    eventful_app: flask.Flask, eventful_warehouse: Warehouse, best_artist: str
) -> None:
    [[artist_id]] = eventful_warehouse.query(f"select artist_id from marts.artists where artist_uri = '{best_artist}'")
    with eventful_app.test_request_context():
        few, many = (
            artist.warehouse().rows(
                "playlists_with_artist", artist_id=artist_id, track_appearances=appearances, limit=1000
            )
            for appearances in (1, 1_000_000)
        )
    # Many are looked for among the most followed alone; of those with a single follower, these are any.
    few, many = ([row for row in rows if row["num_followers"] > 1] for rows in (few, many))
    assert len(few) > 20
    assert few == many


@pytest.mark.parametrize("artist_id", ["0000000000000000000000", "short", "spotify:artist:", "'; drop table x", None])
def test_an_unknown_artist_is_said_to_be_unknown(eventful_app: flask.Flask, artist_id: str | None) -> None:
    with eventful_app.test_request_context():
        assert "There is nothing here" in said(shell.guarded(artist.layout)(artist_id=artist_id))


@pytest.mark.parametrize(
    ("similarity", "words"),
    [(0.9, "A textbook case: 90 %"), (0.5, "An ordinary"), (0.1, "only 10 %"), (0.0, "hardly any")],
)
def test_how_typical_an_artist_is_can_be_read(similarity: float, words: str) -> None:
    assert words in artist.typicality(similarity)


def test_before_the_first_training_pages_say_what_to_do(
    new_web_warehouse: Callable[..., Warehouse], new_application: Callable[..., flask.Flask]
) -> None:
    warehouse = new_web_warehouse()
    with warehouse.connect() as connection:
        connection.execute(
            "truncate insights.cluster_profiles, insights.model_candidates, insights.artist_recommendations"
        )
        connection.execute("update insights.artist_performance set cluster_id = null, cluster_name = null")
        [artist_uri] = connection.execute("select artist_uri from insights.artist_performance limit 1").fetchone() or ()
    with new_application(warehouse).test_request_context():
        assert "which has not been done yet" in said(artists.layout())
        assert "Start a training" in said(artist.layout(artist_uri))


def test_nothing_built_is_said(
    new_web_warehouse: Callable[..., Warehouse], new_application: Callable[..., flask.Flask]
) -> None:
    warehouse = new_web_warehouse(filled=False)
    warehouse.run("mixhouse", "db", "roles")
    with new_application(warehouse).test_request_context():
        assert "Nothing is built yet" in said(shell.guarded(artists.layout)())
        assert "Nothing is built yet" in said(shell.guarded(artist.layout)(artist_id="0" * 22))


@pytest.mark.parametrize("width", [1440, 360])
def test_an_artist_is_found_and_looked_at(
    browse: Callable[..., Page],
    eventful_address: str,
    assert_accessible: Callable[[Page], None],
    shoot: Callable[[Page, str], object],
    width: int,
) -> None:
    page = browse("/app/artists", address=eventful_address, width=width)
    expect(page.get_by_role("heading", level=1)).to_have_text("Artist trends")
    expect(page.locator("#artists-map .main-svg").first).to_be_visible()
    assert_accessible(page)
    shoot(page, "artists")
    page.get_by_role("tab", name="Collaborate").click()
    expect(page.get_by_role("region", name="Artists recommended: Collaborate")).to_be_visible()
    page.get_by_label("Name begins with").fill("no such artist")
    expect(page.get_by_text("No artist is like that")).to_be_visible()
    page.get_by_label("Find an artist").fill("<script")
    page.get_by_role("link", name=SCRIPT).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(SCRIPT)
    expect(page.locator("#artist-months .main-svg").first).to_be_visible()
    expect(page.get_by_role("link", name="<script>alert(2)</script>")).to_be_visible()
    assert_accessible(page)
    shoot(page, "artist")


def test_an_unknown_artist_has_a_page_that_says_so(
    browse: Callable[..., Page],
    complaints: object,
    eventful_address: str,
    assert_accessible: Callable[[Page], None],
) -> None:
    complaints.expected = ("404 (NOT FOUND)",)  # type: ignore[attr-defined]
    page = browse("/app/artists/0000000000000000000000", address=eventful_address, width=360)
    expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing here")
    assert_accessible(page)
