"""What all pages share: titles, the way back from an address that is none and from a database that is away."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import flask
import flask.testing
import pytest
from commands import Warehouse
from serving import CALLBACK, api_key, page_request
from werkzeug.test import TestResponse

from web.access import Access
from web.pages import not_found_404
from web.problems import DatabaseAway


def shown(client: flask.testing.FlaskClient, path: str, search: str = "") -> dict[str, Any]:
    """Return what an address shows: the `children` of the page, as JSON, and its `title`."""
    client.get("/app/_dash-dependencies")
    answer = client.post(CALLBACK, json=page_request(path, search))
    assert answer.status_code == 200, answer.text
    found = (answer.json or {})["response"]
    return {"children": json.dumps(found["_pages_content"]), "title": found["_pages_store"]["data"]["title"]}


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], None]]:
    """Takes the database away, or brings it back."""
    is_away = False
    from web.database import Warehouse as Reading

    read = Reading._read

    def read_or_not(*arguments: Any) -> Any:
        if is_away:
            raise DatabaseAway
        return read(*arguments)

    def set_away(value: bool) -> None:
        nonlocal is_away
        is_away = value

    monkeypatch.setattr(Reading, "_read", read_or_not)
    yield set_away


@pytest.mark.parametrize("path", ["/app/", "/app/playlists/0"])
def test_a_page_comes_back_when_the_database_does(
    client: flask.testing.FlaskClient, away: Callable[[bool], None], path: str
) -> None:
    def try_again() -> TestResponse:
        return client.post(
            CALLBACK,
            json={
                "output": "away.children",
                "outputs": {"id": "away", "property": "children"},
                "inputs": [{"id": "away-tick", "property": "n_intervals", "value": 1}],
                "state": [{"id": "away-page", "property": "data", "value": asked}],
                "changedPropIds": ["away-tick.n_intervals"],
            },
        )

    before = shown(client, path)
    away(True)
    client.application.extensions["warehouse"]._version_read = -10.0  # type: ignore[attr-defined]
    there = shown(client, path)
    assert "does not answer" in there["children"]
    stores: list[Any] = []

    def find(part: Any) -> None:
        if isinstance(part, dict):
            if part.get("id") == "away-page":
                stores.append(part["data"])
            for value in part.values():
                find(value)
        elif isinstance(part, list):
            for value in part:
                find(value)

    find(json.loads(there["children"]))
    [asked] = stores
    assert try_again().status_code == 204
    away(False)
    answer = try_again()
    assert answer.status_code == 200
    back = json.dumps((answer.json or {})["response"]["away"])
    assert "does not answer" not in back
    # The same page, of the same playlist.
    heading = "Overview" if path == "/app/" else "Playlist 0"
    assert heading in back
    assert heading in before["children"]


def test_pages_of_one_thing_are_called_after_it(client: flask.testing.FlaskClient, web_warehouse: Warehouse) -> None:
    [[uri, name]] = web_warehouse.query(
        "select artist_uri, artist_name from insights.artist_performance order by artist_rank, artist_uri limit 1"
    )
    [[pid, title]] = web_warehouse.query("select pid, name from marts.playlists order by pid limit 1")
    assert shown(client, f"/app/artists/{uri.rpartition(':')[2]}")["title"] == f"{name} · Mixhouse"
    assert shown(client, f"/app/playlists/{pid}")["title"] == f"{title} · Mixhouse"
    assert shown(client, "/app/runs/999999")["title"] == "Run · Mixhouse"
    assert shown(client, "/app/runs")["title"] == "Runs · Mixhouse"


def test_the_title_of_a_stranger_is_in_the_document_as_text_of_its_heading_only(
    new_application: Callable[..., flask.Flask], new_web_warehouse: Callable[..., Warehouse]
) -> None:
    warehouse = new_web_warehouse()
    with warehouse.connect() as connection:
        connection.execute("update marts.playlists set name = '<script>alert(1)</script> \"x' where pid = 3")
    document = new_application(warehouse).test_client().get("/app/playlists/3").text
    assert "<h1>&lt;script&gt;alert(1)&lt;/script&gt; &#34;x</h1>" in document
    assert document.count("alert(1)") == 1


@pytest.mark.parametrize(
    ("path", "status", "heading", "chosen"),
    [
        ("/app/", 200, "Overview", "/app/"),
        ("/app/runs/", 200, "Runs", "/app/runs"),
        ("/app/runs/999999", 404, "Run", None),
        ("/app/playlists/99999999", 404, "Playlist", None),
        ("/app/playlists/x", 404, "Playlist", None),
        ("/app/no/such/page", 404, "There is no such page", None),
    ],
)
def test_a_document_opens_with_the_heading_and_says_whether_there_is_such_a_page(
    client: flask.testing.FlaskClient, path: str, status: int, heading: str, chosen: str | None
) -> None:
    document = client.get(path)
    assert document.status_code == status
    assert f"<h1>{heading}</h1>" in document.text
    assert re.findall('href="([^"]*)" aria-current="page"', document.text) == ([chosen] if chosen else [])


def test_a_document_opens_while_the_database_is_away(
    client: flask.testing.FlaskClient, away: Callable[[bool], None]
) -> None:
    away(True)
    client.application.extensions["warehouse"]._version_read = -10.0  # type: ignore[attr-defined]
    document = client.get("/app/playlists/0")
    assert document.status_code == 200
    assert "<h1>Playlist</h1>" in document.text


def test_what_an_address_says_twice_is_not_read(client: flask.testing.FlaskClient) -> None:
    assert shown(client, "/app/playlists/0", "?pid=1&pid=2")["title"] != ""


def test_an_address_of_no_page_says_what_to_do(client: flask.testing.FlaskClient) -> None:
    page = shown(client, "/app/no/such/page")
    assert "There is no such page" in page["children"]
    assert '"href": "/app/"' in page["children"]
    assert page["title"] == f"{not_found_404.TITLE} · Mixhouse"


def test_who_is_signed_in_can_sign_out(web_warehouse: Warehouse, new_application: Callable[..., flask.Flask]) -> None:
    client = new_application(web_warehouse, access=Access(anonymous="nothing")).test_client()
    signed_in = client.post("/sign-in", data={"key": api_key(web_warehouse)})
    assert signed_in.status_code == 302
    assert '"action": "/sign-out"' in json.dumps(client.get("/app/_dash-layout").json)
    assert client.post("/sign-out").status_code == 302
    assert client.get("/app/_dash-layout").status_code == 401


def test_who_is_not_signed_in_has_nothing_to_sign_out_of(client: flask.testing.FlaskClient) -> None:
    assert "/sign-out" not in json.dumps(client.get("/app/_dash-layout").json)


@pytest.mark.parametrize("path", ["/app/assets//../_dash-layout", "/app/assets/../_dash-layout", "/app/assets/no.css"])
def test_only_the_files_of_the_sign_in_page_are_open(
    web_warehouse: Warehouse, new_application: Callable[..., flask.Flask], path: str
) -> None:
    client = new_application(web_warehouse, access=Access(anonymous="nothing")).test_client()
    with client.get("/app/assets/style.css") as style:
        assert style.status_code == 200
    assert client.get(path).status_code == 401
