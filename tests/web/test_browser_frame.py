"""The frame of all pages, in a browser."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect


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
