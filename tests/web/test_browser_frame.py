"""The frame of all pages, in a browser."""

from collections.abc import Callable

import pytest
from commands import Warehouse
from playwright.sync_api import Browser, Page, expect


@pytest.mark.parametrize("width", [1440, 360])
def test_the_pages_can_be_reached_from_each_other(
    browse: Callable[..., Page], assert_accessible: Callable[[Page], None], width: int
) -> None:
    page = browse("/", width=width)
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    assert_accessible(page)
    if width == 360:
        page.get_by_role("button", name="Show the navigation").click()
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Runs").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
    expect(page).to_have_title("Runs · Mixhouse")


@pytest.mark.parametrize("width", [1440, 360])
def test_heading_and_navigation_are_there_without_any_script(
    browser: Browser, web_address: str, shoot: Callable[[Page, str], object], width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(f"{web_address}/app/genres")
        expect(page.get_by_role("heading", level=1)).to_have_text("Genres and trends")
        navigation = page.get_by_role("navigation", name="Pages")
        if width == 1440:
            expect(navigation.get_by_role("link", name="Genres")).to_have_attribute("aria-current", "page")
            navigation.get_by_role("link", name="Runs").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
        shoot(page, "opening")
    finally:
        context.close()


def test_pages_go_on_with_the_heading_that_they_open_with(
    browse: Callable[..., Page], complaints: object, web_warehouse: Warehouse
) -> None:
    complaints.expected = ("404 (NOT FOUND)",)  # type: ignore[attr-defined]
    [[uri]] = web_warehouse.query(
        "select artist_uri from insights.artist_performance order by artist_rank, artist_uri limit 1"
    )
    [[pid]] = web_warehouse.query("select pid from marts.playlists order by pid limit 1")
    paths = ["/", "/popularity", "/artists", "/genres", "/runs", "/quality", "/lineage", "/no/such/page"]
    for path in [*paths, f"/artists/{uri}", f"/playlists/{pid}"]:
        page = browse(f"/app{path}")
        # What it shows is hidden by now.
        opened_with = page.locator("#opening h1").text_content()
        expect(page.locator("#main h1")).to_have_text(opened_with or "none")
        page.close()
