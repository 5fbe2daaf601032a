"""Lineage: the dbt docs, and how they come to be."""

from collections.abc import Callable
from http import HTTPStatus

import flask
import pytest
from commands import Warehouse
from playwright.sync_api import Page, expect

from warehouse.dbt import docs_file
from web.access import Access
from web.pages import lineage
from web.problems import DatabaseAway


def test_without_the_document_its_address_says_so(client: flask.testing.FlaskClient) -> None:
    docs_file().unlink(missing_ok=True)
    answer = client.get("/lineage.html")
    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert answer.mimetype == "application/problem+json"


def test_the_document_may_run_its_scripts_and_send_nothing_away(client: flask.testing.FlaskClient) -> None:
    docs_file().parent.mkdir(parents=True, exist_ok=True)
    docs_file().write_text("<!doctype html><title>docs</title>", encoding="utf-8")
    with client.get("/lineage.html") as answer:
        assert answer.status_code == HTTPStatus.OK
        assert answer.mimetype == "text/html"
        policy = answer.headers["Content-Security-Policy"]
    assert "connect-src 'self'" in policy
    assert "default-src 'none'" in policy
    docs_file().unlink()


def test_who_may_not_start_anything_is_asked_to_sign_in(
    web_warehouse: Warehouse, new_application: Callable[..., flask.Flask]
) -> None:
    with new_application(web_warehouse, access=Access(anonymous="reading")).test_request_context():
        assert "Sign in" in str(lineage.layout())
        assert "lineage-start" not in str(lineage.layout())


def test_what_keeps_the_document_from_being_written_or_watched_is_said(
    web_warehouse: Warehouse, new_application: Callable[..., flask.Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = new_application(web_warehouse, access=Access(anonymous="reading")).test_client()

    def send(component: str, property_: str) -> flask.Response:
        [callback] = [
            one
            for one in client.get("/app/_dash-dependencies").json or []
            if one["inputs"] == [{"id": component, "property": property_}]
        ]
        outputs = [name.rpartition(".") for name in callback["output"].strip(".").split("...")]
        body = {
            "output": callback["output"],
            "outputs": [{"id": name, "property": changed} for name, _, changed in outputs],
            "inputs": [{"id": component, "property": property_, "value": 1}],
            "changedPropIds": [f"{component}.{property_}"],
        }
        return client.post("/app/_dash-update-component", json=body)

    def away() -> None:
        raise DatabaseAway

    assert b"Sign in with an API key" in send("lineage-start", "n_clicks").data
    monkeypatch.setattr(lineage, "_last_run", away)
    assert b"The database does not answer" in send("lineage-watch", "n_intervals").data


def test_the_document_is_written_and_looked_at(
    browse: Callable[..., Page],
    eventful_address: str,
    assert_accessible: Callable[[Page], None],
    shoot: Callable[[Page, str], object],
) -> None:
    page = browse("/app/lineage", address=eventful_address, width=360)
    expect(page.get_by_text("has not been written yet")).to_be_visible()
    assert_accessible(page)
    shoot(page, "lineage-empty")
    page.get_by_role("button", name="Write the documentation").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    # A dbt start, and one row for each column of the catalogue.
    expect(page.locator("iframe")).to_be_visible(timeout=120_000)
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Mixhouse")).to_be_visible(timeout=30_000)
    shoot(page, "lineage")
    # Its scripts reach neither this page nor what it may do.
    inside = page.frames[-1]
    assert inside.evaluate("window.origin") == "null"
    page = browse("/app/lineage", address=eventful_address)
    expect(page.frame_locator("iframe").get_by_role("heading", name="Mixhouse")).to_be_visible(timeout=30_000)
    assert_accessible(page)
    shoot(page, "lineage")
