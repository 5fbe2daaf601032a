"""What goes wrong, who may ask, and what Prometheus sees of it."""

import re
from collections.abc import Callable
from typing import Any

import flask
import flask.testing
import pytest
import yaml
from commands import Warehouse

from warehouse.settings import PROJECT_ROOT
from web.access import Access, create_key, revoke_key
from web.problems import ProblemDocument

Client = flask.testing.FlaskClient
NewApplication = Callable[..., flask.Flask]
JSON = "application/json"


def is_problem(answer: Any, status: int) -> bool:
    """Assert that an answer is a problem document of this status."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    problem = ProblemDocument.model_validate_json(answer.data)
    assert problem.status == status
    assert problem.detail
    return True


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"", JSON, 400),
        (b"{", JSON, 400),
        (b'{"playlist_id": 1}}', JSON, 400),
        (b'{"playlist_id": NaN}', JSON, 400),
        (b'{"playlist_id": Infinity}', JSON, 400),
        (b'{"playlist_id": 01}', JSON, 400),
        (b'{"metadata": {"name": "\\ud800"}}', JSON, 400),
        (b'{"metadata": {"name": "\xff"}}', JSON, 400),
        ('{"playlist_id": 1}'.encode("utf-16"), JSON, 400),
        (b"[" * 30_000, JSON, 400),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, JSON, 400),
        (b'{"playlist_id": ' + b"9" * 5_000 + b"}", JSON, 400),
        (b"[]", JSON, 422),
        (b"null", JSON, 422),
        (b'"{\\"playlist_id\\": 1}"', JSON, 422),
        (b'{"playlist_id": 1}', "text/plain", 415),
        (b'{"playlist_id": 1}', "application/x-www-form-urlencoded", 415),
        (b'{"playlist_id": 1}', "", 415),
        (b'{"playlist_id": 1, "x": "' + b"x" * 70_000 + b'"}', JSON, 413),
    ],
)
def test_a_body_that_cannot_be_read_is_told_why(client: Client, data: bytes, content_type: str, status: int) -> None:
    assert is_problem(client.post("/analyze_playlist", data=data, content_type=content_type), status)


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/playlists/1"), ("PUT", "/analyze_playlist"), ("POST", "/overview"), ("GET", "/analyze_playlist")],
)
def test_another_method_is_not_allowed(client: Client, web_warehouse: Warehouse, method: str, path: str) -> None:
    with web_warehouse.connect() as connection:
        connection.execute("delete from ops.api_keys where name = 'methods'")
        key = create_key(connection, "methods")
    answer = client.open(path, method=method, headers={"Authorization": f"Bearer {key}"})
    assert is_problem(answer, 405)
    assert answer.headers["Allow"]


def test_an_address_with_a_slash_too_much_is_not_found(client: Client) -> None:
    assert is_problem(client.get("/playlists/"), 404)


# ----------------------------------------------------------------------------------------------------------------------
# Access


@pytest.fixture
def key(web_warehouse: Warehouse) -> str:
    with web_warehouse.connect() as connection:
        connection.execute("delete from ops.api_keys where name = 'access'")
        return create_key(connection, "access")


READING = [
    ("GET", "/overview", None),
    ("POST", "/analyze_playlist", {"playlist_id": 1}),
    ("GET", "/reports/genres.csv", None),
]


@pytest.mark.parametrize(("method", "path", "body"), READING)
@pytest.mark.parametrize("anonymous", ["nothing", "reading", "pages"])
def test_reading_needs_a_key_only_where_nothing_is_open(
    web_warehouse: Warehouse,
    new_application: NewApplication,
    key: str,
    anonymous: Any,
    method: str,
    path: str,
    body: Any,
) -> None:
    client = new_application(web_warehouse, access=Access(anonymous=anonymous)).test_client()
    answer = client.open(path, method=method, json=body)
    assert is_problem(answer, 401) if anonymous == "nothing" else answer.status_code == 200
    with_key = client.open(path, method=method, json=body, headers={"Authorization": f"Bearer {key}"})
    assert with_key.status_code == 200
    # One that is not good is told so even where none is needed.
    wrong = client.open(path, method=method, json=body, headers={"Authorization": "Bearer mixhouse_wrong"})
    assert is_problem(wrong, 401)
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("anonymous", ["nothing", "reading", "pages"])
@pytest.mark.parametrize(("path", "body"), [("/runs", {"kind": "docs"}), ("/playlists", {"playlists": []})])
def test_writing_needs_a_key_always(
    web_warehouse: Warehouse, new_application: NewApplication, anonymous: Any, path: str, body: Any
) -> None:
    client = new_application(web_warehouse, access=Access(anonymous=anonymous)).test_client()
    answer = client.post(path, json=body)
    assert is_problem(answer, 401)
    assert "mixhouse apikey create" in answer.get_json()["detail"]


def test_a_key_that_is_revoked_is_good_no_longer(client: Client, web_warehouse: Warehouse, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    assert client.post("/playlists", json={"playlists": 1}, headers=headers).status_code == 422
    with web_warehouse.connect() as connection:
        revoke_key(connection, "access")
    assert is_problem(client.post("/playlists", json={"playlists": 1}, headers=headers), 401)
    assert is_problem(client.get("/overview", headers=headers), 401)


def test_only_this_machine_is_answered_by_its_own_names(client: Client) -> None:
    for host in ("localhost", "127.0.0.1:8000", "[::1]:8000"):
        assert client.get("/overview", headers={"Host": host}).status_code == 200
    for host in ("mixhouse.example", "127.0.0.1.example:80"):
        assert is_problem(client.get("/overview", headers={"Host": host}), 403)


def test_a_page_of_another_site_cannot_post(client: Client, key: str) -> None:
    headers = {"Origin": "https://elsewhere.example", "Authorization": f"Bearer {key}"}
    assert is_problem(client.post("/playlists", json={"playlists": []}, headers=headers), 403)
    assert is_problem(client.post("/analyze_playlist", json={"playlist_id": 1}, headers=headers), 403)


# ----------------------------------------------------------------------------------------------------------------------
# The database away, and figures


def test_the_database_away_is_unavailable_until_it_is_back(
    web_warehouse: Warehouse, new_application: NewApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = new_application(Warehouse(web_warehouse.variables | {"PGPORT": "1"})).test_client()
    for method, path, body in (*READING, ("GET", "/readyz", None), ("GET", "/playlists?q=a", None)):
        answer = client.open(path, method=method, json=body)
        assert is_problem(answer, 503), path
        assert int(answer.headers["Retry-After"]) > 0
    assert client.get("/healthz").status_code == 200
    assert client.get("/openapi.json").status_code == 200
    figures = client.get("/metrics")
    assert figures.status_code == 200
    assert "mixhouse_database_up 0.0" in figures.text
    assert "mixhouse_playlists " not in figures.text
    assert 'endpoint="/readyz",method="GET",status="503"} 1.0' in figures.text

    monkeypatch.setenv("PGPORT", web_warehouse.variables["PGPORT"])

    assert client.get("/overview").status_code == 200
    assert "mixhouse_database_up 1.0" in client.get("/metrics").text


def figures_of(client: Client) -> dict[str, float]:
    lines = [line for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_prometheus_sees_requests_runs_and_the_warehouse(client: Client, web_warehouse: Warehouse) -> None:
    client.get("/playlists/1")
    client.get("/playlists/2")
    client.get("/playlists/x")
    client.get("/nothing/at/all")
    client.open("/overview", method="PROPFIND")
    client.post("/runs", json={})
    answer = client.get("/metrics")
    assert answer.content_type.startswith("text/plain; version=")
    found = figures_of(client)
    requests = "mixhouse_http_requests_total"
    assert found[f'{requests}{{endpoint="/playlists/<pid>",method="GET",status="200"}}'] == 2
    assert found[f'{requests}{{endpoint="/playlists/<pid>",method="GET",status="422"}}'] == 1
    assert found[f'{requests}{{endpoint="none",method="GET",status="404"}}'] == 1
    assert found[f'{requests}{{endpoint="/runs",method="POST",status="401"}}'] == 1
    assert found['mixhouse_http_request_seconds_count{endpoint="/playlists/<pid>",method="GET"}'] == 3
    assert any('method="other"' in name for name in found)
    assert (found["mixhouse_database_up"], found["mixhouse_runs_running"]) == (1, 0)
    assert found["mixhouse_playlists"] == 1_000
    assert found["mixhouse_playlists_rejected"] == 0
    assert found["mixhouse_pool_connections_in_use"] == 0
    assert found["mixhouse_pool_connections_idle"] >= 1
    moments = [found[f"mixhouse_last_{name}_timestamp_seconds"] for name in ("load", "training", "build")]
    assert moments == sorted(moments)
    [(built_at,)] = web_warehouse.query("select max(extract(epoch from finished_at))::float8 from ops.builds")
    assert moments[2] == pytest.approx(built_at)


def test_alerts_of_the_docs_go_by_figures_that_there_are(
    new_web_warehouse: Callable[..., Warehouse], new_application: NewApplication
) -> None:
    warehouse = new_web_warehouse()
    with warehouse.connect() as connection:
        connection.execute(
            "insert into ops.runs (kind, requested_by, status, finished_at, error) values"
            " ('docs', 'page', 'succeeded', now() - interval '1 hour', null), ('build', 'page', 'failed', now(), 'why')"
        )
        connection.execute("update insights.overview set errors_in_data = 7")
    client = new_application(warehouse).test_client()
    client.get("/overview")
    found = figures_of(client)
    assert (found["mixhouse_last_run_failed"], found["mixhouse_last_training_failed"]) == (1, 0)
    assert found["mixhouse_data_errors"] == 7
    page = (PROJECT_ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    [rules] = re.findall(r"```yaml\n(groups:.*?)```", page, flags=re.DOTALL)
    alerts = yaml.safe_load(rules)["groups"][0]["rules"]
    assert len({alert["alert"] for alert in alerts}) == len(alerts) > 5
    known = {re.sub(r"\{.*", "", name) for name in found}
    for alert in alerts:
        assert {*re.findall(r"mixhouse_\w+", alert["expr"])} <= known, alert


def test_figures_are_as_many_as_there_are_rules(client: Client) -> None:
    for number in range(50):
        client.get(f"/playlists/{number}")
        client.get(f"/nothing/{number}")
        client.get(f"/reports/{number}.csv")
        client.open("/overview", method=f"X{number}")
    endpoints = {match for name in figures_of(client) for match in re.findall(r'endpoint="([^"]*)"', name)}
    assert len(endpoints) <= 4


@pytest.mark.parametrize("origin", ["http://[", "null", "https://localhost.evil.example", "http://", "[", "localhost"])
def test_what_is_no_origin_of_ours_is_refused(client: Client, origin: str) -> None:
    answer = client.post("/analyze_playlist", json={"playlist_id": 0}, headers={"Origin": origin})
    assert (answer.status_code, answer.content_type) == (403, "application/problem+json")


@pytest.mark.parametrize(
    "target", ["//[", "https://evil.example/app/", "//evil.example/app/", "/\\evil.example", "/app/\n"]
)
def test_nobody_is_sent_elsewhere_after_signing_in(client: Client, target: str) -> None:
    answer = client.get("/sign-in", query_string={"next": target})
    assert answer.status_code == 200
    assert 'name="next" value="/app/"' in answer.text
