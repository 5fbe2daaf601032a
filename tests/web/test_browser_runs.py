"""The page of runs in a browser: from the click to the result, by mouse and keyboard, on a wide screen and a phone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Warehouse
from playwright.sync_api import Locator, Page, expect
from serving import Server, another_build

Browse = Callable[..., Page]
Shoot = Callable[[Page, str], Path]
Check = Callable[[Page], None]
SLOW = 60_000


@pytest.fixture(scope="module")
def warehouse(new_web_warehouse: Callable[..., Warehouse]) -> Warehouse:
    return new_web_warehouse()


@pytest.fixture(scope="module")
def server(warehouse: Warehouse, start_module_server: Callable[..., Server]) -> Server:
    return start_module_server(warehouse)


def said(page: Page) -> Locator:
    return page.get_by_role("status").filter(visible=True).first


def test_a_run_is_started_watched_and_looked_back_at(
    browse: Browse, shoot: Shoot, assert_accessible: Check, server: Server, warehouse: Warehouse
) -> None:
    page = browse("/app/runs", address=server.address)
    page.evaluate("window.isTheSamePage = true")
    expect(page.get_by_text("Nothing has been run here yet")).to_be_visible()
    assert_accessible(page)
    with another_build(warehouse):
        button = page.get_by_role("button", name="Start a build")
        button.click()
        expect(button).to_be_disabled()
        expect(page.get_by_role("heading", name="Run 1: build")).to_be_visible()
        expect(page.get_by_text("Run 1 is running.")).to_be_visible(timeout=SLOW)
        expect(page.get_by_role("log")).to_contain_text("Waiting: another build", timeout=SLOW)
        expect(page.get_by_role("progressbar", name="Progress of run 1")).to_be_visible()
        # What another kind does can be asked for, and waits for its turn.
        page.get_by_role("button", name="Write the documentation").click()
        expect(page.get_by_text("Run 2 is queued.")).to_be_visible()
        assert_accessible(page)
        shoot(page, "runs-running")
    expect(page.get_by_role("alert").filter(has_text="Build succeeded")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("alert").filter(has_text="Documentation succeeded")).to_be_visible(timeout=SLOW)
    expect(said(page)).to_contain_text("The dbt docs are written.")
    expect(button).to_be_enabled()
    expect(page.get_by_text("Nothing has been run here yet")).to_be_hidden()
    expect(page.get_by_role("button", name="Download CSV")).to_be_enabled()
    expect(page.get_by_role("gridcell", name="Everything was up to date.")).to_be_visible()
    assert page.evaluate("window.isTheSamePage"), "the page was loaded again"
    page.get_by_role("gridcell").get_by_role("link", name="1", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Run 1: build")
    expect(page.get_by_role("log")).to_contain_text("Everything was up to date.")
    assert_accessible(page)
    shoot(page, "run")


def test_the_history_is_sorted_filtered_and_downloaded(browse: Browse, server: Server) -> None:
    for kind in ("build", "docs"):
        server.wait_for_run(server.start_run(kind), "succeeded")
    page = browse("/app/runs", address=server.address)
    rows = page.locator(".ag-center-cols-container [role=row]")
    expect(rows.nth(1)).to_be_visible()
    page.get_by_role("columnheader", name="Run", exact=True).click()
    expect(rows.first).to_contain_text("1")
    page.get_by_role("textbox", name="What Filter Input").fill("docum")
    expect(page.get_by_role("gridcell", name="Build", exact=True)).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "runs.csv"
    lines = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].startswith('"Run","What","Outcome"')
    assert all("Documentation" in line for line in lines[1:])


def test_a_run_is_started_by_keyboard_on_a_phone(
    browse: Browse, shoot: Shoot, assert_accessible: Check, server: Server, warehouse: Warehouse
) -> None:
    page = browse("/app/runs", address=server.address, width=360)
    assert_accessible(page)
    with another_build(warehouse):
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == "Start a build":
                break
        page.keyboard.press("Enter")
        expect(page.get_by_role("progressbar")).to_be_visible(timeout=SLOW)
        assert_accessible(page)
        shoot(page, "runs-running")
        # Another who has the page open from before is told of the run that is there.
        assert server.ask("POST", "/runs", {"kind": "build"}).status == 409
    expect(page.get_by_role("alert").filter(has_text="Build succeeded")).to_be_visible(timeout=SLOW)


def test_a_run_that_fails_says_why_until_that_is_read(
    browse: Browse,
    complaints: object,
    shoot: Shoot,
    assert_accessible: Check,
    new_web_warehouse: Callable[..., Warehouse],
    start_server: Callable[..., Server],
) -> None:
    complaints.expected = ("404 (NOT FOUND)",)  # type: ignore[attr-defined]
    server = start_server(new_web_warehouse(filled=False))
    page = browse("/app/runs", address=server.address)
    page.get_by_role("button", name="Start a training").click()
    failure = page.get_by_role("alert").filter(has_text="Training failed")
    expect(failure).to_be_visible(timeout=SLOW)
    expect(failure).to_contain_text("mixhouse build")
    expect(page.get_by_role("gridcell", name="Failed")).to_be_visible()
    shoot(page, "runs-failed")
    page.goto(server.address + "/app/runs/1")
    expect(page.get_by_role("alert").filter(has_text="What went wrong")).to_contain_text("mixhouse build")
    assert_accessible(page)
    page.goto(server.address + "/app/runs/999")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing here")


def test_who_may_not_start_anything_is_led_to_sign_in(
    browse: Browse, shoot: Shoot, assert_accessible: Check, warehouse: Warehouse, start_server: Callable[..., Server]
) -> None:
    server = start_server(warehouse, "--anonymous", "reading", "--no-worker")
    page = browse("/app/runs", address=server.address)
    expect(page.get_by_role("button", name="Start a build")).to_be_disabled()
    page.get_by_role("link", name="Sign in to start this.").first.click()
    assert_accessible(page)
    shoot(page, "sign-in")
    page.get_by_label("API key").fill(server.key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Start a build")).to_be_enabled()


def test_an_address_for_all_shows_nothing_without_a_key(
    browse: Browse, complaints: object, warehouse: Warehouse, start_server: Callable[..., Server]
) -> None:
    server = start_server(warehouse, "--host", "0.0.0.0", "--no-worker")  # noqa: S104
    complaints.expected = ("401 (UNAUTHORIZED)",)  # type: ignore[attr-defined]
    page = browse("/app/runs", address=server.address)
    expect(page).to_have_url(f"{server.address}/sign-in?next=/app/runs")
    page.get_by_label("API key").fill("mixhouse_guessed")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("API key").fill(server.key)
    page.keyboard.press("Enter")
    expect(page.locator("#main h1")).to_have_text("Runs")
    page.wait_for_load_state("networkidle")
