"""The embedded database is stopped while it is served from, in the middle of a run, and comes back."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import Warehouse
from playwright.sync_api import Page, expect
from serving import Process, Server, wait_for

from warehouse import embedded


@pytest.fixture
def alone(session_home: Path) -> Iterator[Warehouse]:
    """A home with an embedded server that the commands find by themselves; it has nothing in it."""
    home = session_home / "away" / "home"
    home.mkdir(parents=True)
    yield Warehouse({"MIXHOUSE_HOME": str(home)})
    embedded.reset(home)


def test_a_database_that_is_stopped_is_waited_for(
    alone: Warehouse,
    browse: Callable[..., Page],
    complaints: object,
    shoot: Callable[[Page, str], Path],
) -> None:
    home = Path(alone.variables["MIXHOUSE_HOME"])
    key = re.findall(r"mixhouse_\S+", alone.run("mixhouse", "apikey", "create", "tests").stdout)[0]
    process = Process.start("serve", "--port", "0", "--schedule", "never", variables=alone.variables)
    try:
        address = process.wait_until_it_says(r"Mixhouse is at (http://\S+)/ ")[1]
        process.wait_until_it_says("worker_ready")
        server = Server(process, address, key)
        run_id = server.start_run("docs")
        page = browse("/app/runs", address=address)
        wait_for(lambda: server.run(run_id)["step"] == "Writing the dbt docs", what="the run")

        alone.run("mixhouse", "db", "stop")
        complaints.expected = ("503 (SERVICE UNAVAILABLE)",)  # type: ignore[attr-defined]
        away = server.ask("GET", "/runs")
        assert (away.status, away.headers["Retry-After"]) == (503, "5")
        assert server.ask("GET", "/readyz").status == 503
        assert server.ask("GET", "/healthz").status == 200
        expect(page.get_by_text("The database is away")).to_be_visible(timeout=15_000)
        expect(page.get_by_role("button", name="Start a build")).to_be_disabled()
        shoot(page, "runs-database-away")
        another = browse("/app/playlists/0", address=address)
        expect(another.get_by_role("heading", name="The database does not answer")).to_be_visible()
        another.evaluate("window.isTheSame = true")
        process.wait_until_it_says("worker_waits", 60)
        # Whoever stopped it wants it stopped.
        assert embedded.status(home).state == "stopped"

        alone.run("mixhouse", "db", "start")
        done = server.wait_for_run(run_id, "succeeded", "failed", seconds=90)
        assert done["status"] == "succeeded"
        assert done["attempts"] >= 2
        # Nothing is built here, which is what the page has to say; the document is the one that was there before.
        expect(another.get_by_role("heading", name="Nothing is built yet")).to_be_visible(timeout=30_000)
        assert another.evaluate("window.isTheSame")
        another.close()
        expect(page.get_by_text("The dbt docs are written.").first).to_be_visible(timeout=30_000)
        expect(page.get_by_role("button", name="Start a build")).to_be_enabled()
        assert process.popen.poll() is None
        page.close()
        alone.run("mixhouse", "db", "stop")
        # It ends as well while there is nothing to say good-bye to.
        assert process.end(seconds=20) == 0
    finally:
        process.end()
