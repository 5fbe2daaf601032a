"""Playlists that are sent land as those that are loaded: by the same rules, and once."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask
import flask.testing
import psycopg
import pytest
from commands import Warehouse

from warehouse.roles import create_user, grant_roles
from web import jobs, landing
from web.access import create_key
from web.limits import limiter
from web.problems import Malformed, Unprocessable

Client = flask.testing.FlaskClient
NewApplication = Callable[..., flask.Flask]
Json = dict[str, Any]


def track(pos: int, number: int) -> Json:
    return {
        "pos": pos,
        "track_uri": f"spotify:track:{number:022d}",
        "track_name": "Track",
        "artist_uri": f"spotify:artist:{number:022d}",
        "artist_name": "Artist",
        "album_uri": f"spotify:album:{number:022d}",
        "album_name": "Album",
        "duration_ms": 200_000,
    }


def playlist(pid: int, **changes: object) -> Json:
    return {
        "pid": pid,
        "name": f"Sent {pid}",
        "collaborative": "false",
        "modified_at": 1_493_424_000,
        "num_tracks": 3,
        "num_albums": 3,
        "num_artists": 3,
        "num_followers": 2,
        "num_edits": 2,
        "duration_ms": 600_000,
        "tracks": [track(pos, pid + pos) for pos in range(3)],
    } | changes


@pytest.fixture(scope="module")
def warehouse(new_web_warehouse: Callable[..., Warehouse]) -> Warehouse:
    """One of these tests' own: they send playlists, each test of other numbers."""
    found = new_web_warehouse(filled=False)
    found.run("mixhouse", "db", "roles")
    with found.connect() as connection:
        connection.autocommit = True
        jobs.install(connection)
    return found


@pytest.fixture
def key(warehouse: Warehouse) -> Iterator[str]:
    limiter.reset()
    with warehouse.connect() as connection:
        connection.execute("truncate ops.api_keys, ops.runs cascade")
        yield_key = create_key(connection, "Radio / Nightly")
    yield yield_key


@pytest.fixture
def client(warehouse: Warehouse, new_application: NewApplication) -> Client:
    return new_application(warehouse).test_client()


def send(client: Client, key: str, body: object, **options: Any) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(
        "/playlists",
        data=data,
        **({"content_type": "application/json", "headers": {"Authorization": f"Bearer {key}"}} | options),
    )


@pytest.mark.parametrize(
    ("pid", "wrap"),
    [
        (100, lambda one: one),
        (200, lambda one: {"playlists": [one]}),
        (300, lambda one: {"info": {"slice": "0-999", "version": "v1", "x": 1}, "playlists": [one]}),
        (400, lambda one: {"playlists": [one], "info": {}}),
    ],
)
def test_playlists_land_in_each_form(
    client: Client, warehouse: Warehouse, key: str, pid: int, wrap: Callable[[Json], Json]
) -> None:
    answer = send(client, key, wrap(playlist(pid, unknown_field=[1, {"a": None}])))
    assert answer.status_code == 201
    found = answer.get_json()
    run_id = found.pop("run_id")
    assert answer.headers["Location"] == f"/runs/{run_id}"
    assert found == {
        "playlists_landed": 1,
        "playlists_superseding": 0,
        "playlists_unchanged": 0,
        "playlists_rejected": 0,
        "is_known": False,
        "rejects": [],
    }
    # As it was sent, and a build is queued by the one who sent it.
    [(document,)] = warehouse.query(f"select doc from staging.playlist_documents where pid = {pid}")
    assert document == playlist(pid, unknown_field=[1, {"a": None}])
    assert warehouse.query(f"select kind, status, requested_by from ops.runs where run_id = {run_id}") == [
        ("build", "queued", "Radio / Nightly")
    ]
    [(command, [path], outcome)] = warehouse.query(
        "select command, paths, outcome from ops.loads order by load_id desc limit 1"
    )
    assert (command, outcome) == ("api", "succeeded")
    assert "-Radio-Nightly-" in Path(path).name
    assert not Path(path).exists()


def test_what_breaks_a_rule_is_told_and_the_others_land(client: Client, warehouse: Warehouse, key: str) -> None:
    answer = send(client, key, {"playlists": [playlist(500), playlist(501, name=""), "x", playlist(500)]})
    assert answer.status_code == 201
    found = answer.get_json()
    assert (found["playlists_landed"], found["playlists_rejected"]) == (1, 3)
    assert [(one["ordinal"], one["pid"], one["reason"]) for one in found["rejects"]] == [
        (1, 501, "empty_name"),
        (2, None, "not_an_object"),
        (3, 500, "repeated_pid"),
    ]
    assert warehouse.query("select count(*) from staging.rejects where pid = 501") == [(1,)]
    # The same again says that nothing was to be done, and what is wrong still.
    again = send(client, key, {"playlists": [playlist(500), playlist(501, name=""), "x", playlist(500)]})
    assert again.status_code == 200
    assert (again.get_json()["is_known"], again.get_json()["rejects"]) == (True, found["rejects"])
    assert again.get_json()["run_id"] is None


def test_the_same_twice_lands_once(client: Client, warehouse: Warehouse, key: str) -> None:
    assert send(client, key, playlist(600)).status_code == 201
    again = send(client, key, playlist(600))
    assert (again.status_code, again.get_json()["is_known"]) == (200, True)
    # In another form it is a slice of its own, in which nothing is new.
    other = send(client, key, {"playlists": [playlist(600)], "info": {"slice": "other"}})
    assert (other.status_code, other.get_json()["playlists_unchanged"]) == (200, 1)
    changed = send(client, key, playlist(600, name="Renamed"))
    assert (changed.status_code, changed.get_json()["playlists_superseding"]) == (201, 1)
    # Back to what it was: that is a change too.
    assert send(client, key, playlist(600)).status_code == 201
    assert warehouse.query("select count(*) from staging.playlists where pid = 600") == [(3,)]


def test_a_build_under_way_is_enough(client: Client, key: str) -> None:
    first, second = send(client, key, playlist(700)), send(client, key, playlist(701))
    assert first.get_json()["run_id"] == second.get_json()["run_id"]
    assert client.get(second.headers["Location"]).get_json()["status"] == "queued"


def test_nothing_that_keeps_the_rules_is_unprocessable(client: Client, warehouse: Warehouse, key: str) -> None:
    answer = send(client, key, playlist(800, num_followers=0))
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    [error] = answer.get_json()["errors"]
    assert (error["field"], error["message"].split(":")[0]) == ("playlists.0", "out_of_range")
    assert warehouse.query("select reason from staging.rejects where pid = 800") == [("out_of_range",)]
    assert warehouse.query("select count(*) from ops.runs") == [(0,)]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", 400),
        (b"  ", 400),
        (b"{", 400),
        (b'{"pid": ', 400),
        (b"\xff\xfe", 400),
        (b'{"name": "\xff"}', 400),
        (b"[" * 100_000, 422),
        (b"[]", 422),
        (b"1", 422),
        (b"null", 422),
        (b'{"playlists": 1}', 422),
        (b'{"info": [], "playlists": []}', 422),
        (b'{"info": {}}', 422),
        (b'{"info": {"a": "\\u0000"}, "playlists": []}', 422),
        (b'{"playlists": [], "playlists": []}', 422),
        (b'{"date": 1, "version": 1, "playlists": [], "info": 2}', 422),
        # One playlist that breaks a rule, each another one.
        (b"{}", 422),
        (b'{"pid": NaN}', 422),
        (b'{"pid": 1' + b"0" * 400 + b"}", 422),
        (b'{"pid": 1, "name": "\\ud800"}', 422),
        (b'{"pid": 1, "name": "\\u0000"}', 422),
        (b'{"pid": ' + b"[" * 400 + b"]" * 400 + b"}", 422),
    ],
)
def test_what_is_no_playlist_is_told_so_and_leaves_nothing(
    client: Client, warehouse: Warehouse, key: str, sent: bytes, status: int
) -> None:
    refused = "select count(*) from staging.slices where outcome = 'refused'"
    before = warehouse.query(refused)
    answer = send(client, key, sent)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json"), answer.text
    assert answer.get_json()["detail"]
    # What is no slice at all is for the one who sent it, and no file that anybody could repair.
    assert warehouse.query(refused) == before
    assert not list((Path(warehouse.variables["MIXHOUSE_HOME"]) / "web" / "sent").glob("*"))


def test_an_empty_list_is_nothing_to_do(client: Client, key: str) -> None:
    answer = send(client, key, {"playlists": []})
    assert (answer.status_code, answer.get_json()["playlists_landed"], answer.get_json()["run_id"]) == (200, 0, None)


def test_another_content_type_is_unsupported(client: Client, key: str) -> None:
    assert send(client, key, playlist(900), content_type="text/plain").status_code == 415


def test_too_much_is_too_large(warehouse: Warehouse, new_application: NewApplication, key: str) -> None:
    client = new_application(warehouse, most_bytes=1000).test_client()
    answer = send(client, key, {"playlists": [playlist(901), playlist(902)]})
    assert (answer.status_code, answer.content_type) == (413, "application/problem+json")


def test_too_often_is_too_many(client: Client, key: str) -> None:
    statuses = [send(client, key, b"[]").status_code for _ in range(31)]
    assert statuses[:30] == [422] * 30
    answer = send(client, key, b"[]")
    assert (answer.status_code, answer.content_type) == (429, "application/problem+json")
    assert int(answer.headers["Retry-After"]) >= 0
    limiter.reset()


def test_without_a_key_nothing_lands(client: Client, key: str) -> None:
    for headers in ({}, {"Authorization": "Bearer nobody"}, {"Authorization": f"Basic {key}"}):
        answer = send(client, key, playlist(903), headers=headers)
        assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_server_that_may_not_load_says_so(warehouse: Warehouse, new_application: NewApplication, key: str) -> None:
    with warehouse.connect() as connection:
        connection.execute("drop role if exists reads_only")
        create_user(connection, "reads_only", "of this test")
        grant_roles(connection, "reads_only", ["web"])
    as_reader = Warehouse(warehouse.variables | {"PGUSER": "reads_only", "PGPASSWORD": "of this test"})
    answer = send(new_application(as_reader).test_client(), key, playlist(904))
    assert (answer.status_code, answer.content_type) == (403, "application/problem+json")
    assert "--role loader" in answer.get_json()["detail"]


def test_one_after_the_other(client: Client, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "WAIT_SECONDS", 1)
    with landing._turn:
        answer = send(client, key, playlist(905))
    assert answer.status_code == 429
    assert "Retry-After" in answer.headers
    assert send(client, key, playlist(905)).status_code == 201


def test_playlists_stand_byte_for_byte_in_what_lands() -> None:
    raw = b'{ "pid":1,\n "name" : "\\u00e9\xc3\xa9" }'
    for sent in (raw, b" \n" + raw, b'{"playlists":[' + raw + b"]}", b'\n{ "playlists" : [' + raw + b'] , "x": 1}'):
        found, count = landing.as_slice(sent)
        assert (raw in found, count) == (True, 1)
    with pytest.raises(Malformed):
        landing.as_slice(b"{")
    with pytest.raises(Unprocessable):
        landing.as_slice(b"[]")


def test_the_database_away_is_unavailable(
    warehouse: Warehouse, key: str, new_application: NewApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = new_application(warehouse).test_client()

    def away(**options: object) -> None:
        raise psycopg.OperationalError("the server went away")

    monkeypatch.setattr(landing, "connect", away)
    answer = send(client, key, playlist(906))
    assert (answer.status_code, int(answer.headers["Retry-After"]) >= 5) == (503, True)
