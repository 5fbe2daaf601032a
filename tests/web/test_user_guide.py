"""The three tasks of docs/user-guide.md, step by step, with its pictures.

The pictures in the repository are made by:

    MIXHOUSE_SCREENSHOTS=docs/images .venv/bin/pytest tests/web/test_user_guide.py
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Warehouse
from playwright.sync_api import Locator, Page, expect
from serving import SCREENSHOTS, Server

from warehouse.settings import PROJECT_ROOT

Browse = Callable[..., Page]
GUIDE = PROJECT_ROOT / "docs" / "user-guide.md"
TALL = 1000


def picture(page: Page, name: str, top: Locator) -> None:
    """Keep what a person sees with this at the top of the window."""
    top.evaluate("node => node.scrollIntoView({block: 'start'})")
    page.evaluate("window.scrollBy(0, -80)")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


@pytest.fixture(scope="module")
def warehouse(new_web_warehouse: Callable[..., Warehouse]) -> Warehouse:
    return new_web_warehouse()


@pytest.fixture(scope="module")
def address(warehouse: Warehouse, start_module_server: Callable[..., Server]) -> str:
    return start_module_server(warehouse).address


def test_a_curator_finds_what_would_help_a_playlist(browse: Browse, address: str) -> None:
    page = browse("/app/", address=address, height=TALL)
    page.get_by_role("link", name="Playlist popularity", exact=True).click()
    behind = page.get_by_role("heading", name="Playlists that fall behind")
    expect(behind).to_be_visible()
    first = page.get_by_role("gridcell").get_by_role("link").first
    expect(first).to_be_visible()
    picture(page, "curator-1", behind)
    title = first.inner_text()
    first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    expect(page.get_by_role("heading", name="What would help")).to_be_visible()
    picture(page, "curator-2", page.get_by_role("heading", level=1))
    page.get_by_label("Has a description").press("Space")
    expect(page.locator("#playlist-answer")).to_contain_text("description")
    picture(page, "curator-3", page.get_by_role("heading", name="What if"))


def test_an_artist_manager_finds_whom_to_look_at(browse: Browse, address: str) -> None:
    page = browse("/app/", address=address, height=TALL)
    page.get_by_role("link", name="Artist trends", exact=True).click()
    lists = page.get_by_role("heading", name="Whom to look at")
    expect(lists).to_be_visible()
    picture(page, "artists-1", lists)
    page.get_by_role("tab", name=re.compile("^Collaborate")).click()
    first = page.get_by_role("gridcell").get_by_role("link").filter(visible=True).first
    name = first.inner_text()
    first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.get_by_role("heading", name=re.compile("[Ss]imilar"))).to_be_visible()
    picture(page, "artists-2", page.get_by_role("heading", level=1))


def test_an_analyst_sees_how_things_are_and_brings_them_up_to_date(browse: Browse, address: str) -> None:
    page = browse("/app/", address=address, height=TALL)
    expect(page.get_by_role("heading", name="How good the models are")).to_be_visible()
    picture(page, "analyst-1", page.get_by_role("heading", level=1))
    page.get_by_role("link", name="Data quality", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("quality")
    page.get_by_role("link", name="Runs", exact=True).click()
    page.get_by_role("button", name="Start a build").click()
    expect(page.get_by_role("alert").filter(has_text="Build succeeded")).to_be_visible(timeout=60_000)
    picture(page, "analyst-2", page.get_by_role("heading", level=1))
    page.get_by_role("link", name="Lineage", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lineage")


def test_every_picture_of_the_guide_is_there_and_made_here() -> None:
    shown = set(re.findall(r"\(images/([\w-]+\.png)\)", GUIDE.read_text(encoding="utf-8")))
    made = set(re.findall(r'picture\(page, "([\w-]+)"', Path(__file__).read_text(encoding="utf-8")))
    assert shown == {f"{name}.png" for name in made}
    assert shown == {path.name for path in (PROJECT_ROOT / "docs" / "images").iterdir()}
