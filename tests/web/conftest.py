"""A warehouse for the web application, the application on it, a server that runs, and a browser to look at it with.

- `web_warehouse`: 1,000 made playlists, loaded, built and trained, once a session, on an embedded server of its own.
  Tests read it and start nothing there that changes the marts; `new_web_warehouse()` gives a copy, and with
  `filled=False` one with nothing in it.
- `client`: Flask's, of the application on `web_warehouse`.
- `browse("/app/runs", width=360)`: a page of Chromium, of a server on `web_warehouse` or of the `address` given.
  Anything in the browser's console fails the test, unless `complaints.expected` has it.
- `start_server(warehouse, "--no-worker")`: a `mixhouse serve` of the test's own.
- `shoot(page, "name")` keeps a screenshot, in $MIXHOUSE_SCREENSHOTS or reports/screenshots.
- `assert_accessible(page)` lets axe look for what keeps people out.
"""

import contextlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flask.testing
import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from commands import Warehouse
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from serving import SCREENSHOTS, Process, Server, api_key

from loaders.synthetic import write_slices
from warehouse import embedded

IN_CI = bool(os.environ.get("CI"))
WIDE, NARROW = 1440, 360


@pytest.fixture(scope="session")
def web_server(session_home: Path) -> dict[str, str]:
    """The libpq parameters of a server for these tests alone: `mixhouse serve` makes roles, which are the server's."""
    home = session_home / "web" / "home"
    home.mkdir(parents=True)
    parameters = embedded.ensure_running(home)
    with psycopg.connect(autocommit=True, **parameters) as connection:
        connection.execute("alter system set fsync = off")
        connection.execute("select pg_reload_conf()")
    return parameters


NewWarehouse = Callable[..., Warehouse]


@pytest.fixture(scope="session")
def new_web_warehouse(web_server: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewWarehouse]:
    """Makes a warehouse: with all that `web_warehouse` has, or, `filled=False`, with nothing in it."""
    keys = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password"}
    variables = {name: web_server[key] for name, key in keys.items()}
    numbers = itertools.count(1)

    def create(name: str, template: str) -> Warehouse:
        with psycopg.connect(autocommit=True, **web_server) as connection:
            connection.execute(f"create database {name} template {template} strategy file_copy".encode())
        # Where a server keeps what is not in the database: the dbt docs, the secret of sessions.
        home = tmp_path_factory.mktemp(name)
        return Warehouse(variables | {"PGDATABASE": name, "MIXHOUSE_HOME": str(home)})

    filled_template: list[str] = []

    def make(*, filled: bool = True) -> Warehouse:
        if filled and not filled_template:
            folder = tmp_path_factory.mktemp("playlists")
            write_slices(folder, 1_000, seed=1)
            template = create("web_template", "template1")
            template.run("mixhouse", "run", folder)
            # Roles are the server's, and are made by the first `mixhouse serve`: no test is to depend on which it is.
            template.run("mixhouse", "db", "roles")
            filled_template.append("web_template")
        return create(f"web_{next(numbers)}", filled_template[0] if filled else "template1")

    yield make


@pytest.fixture(scope="session")
def web_warehouse(new_web_warehouse: NewWarehouse) -> Warehouse:
    """1,000 made playlists, loaded, built and trained."""
    return new_web_warehouse()


NewApplication = Callable[..., flask.Flask]


@pytest.fixture
def new_application(monkeypatch: pytest.MonkeyPatch) -> Iterator[NewApplication]:
    """Makes the application on a warehouse, or on the test's database, in this process, with the test's settings."""
    from web.app import Settings, create_app

    made: list[flask.Flask] = []

    def make(warehouse: Warehouse | None = None, **settings: Any) -> flask.Flask:
        for name, value in (warehouse.variables if warehouse else {}).items():
            monkeypatch.setenv(name, value)
        made.append(create_app(Settings(secret_key=b"for tests only", **settings)))
        return made[-1]

    yield make
    for app in made:
        app.extensions["warehouse"].engine.dispose()


@pytest.fixture
def client(web_warehouse: Warehouse, new_application: NewApplication) -> flask.testing.FlaskClient:
    """Asks the application on `web_warehouse`, in this process."""
    return new_application(web_warehouse).test_client()


StartServer = Callable[..., Server]


@pytest.fixture(scope="session")
def session_servers() -> Iterator[StartServer]:
    with _servers() as start:
        yield start


@pytest.fixture(scope="module")
def start_module_server() -> Iterator[StartServer]:
    """As `start_server`, for all tests of a module."""
    with _servers() as start:
        yield start


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Starts `mixhouse serve` on a warehouse, with further options; ends it after the test."""
    with _servers() as start:
        yield start


@contextlib.contextmanager
def _servers() -> Iterator[StartServer]:
    started: list[Process] = []

    def start(warehouse: Warehouse, *options: str, port: int = 0, **variables: str) -> Server:
        arguments = ["serve", "--port", str(port), "--schedule", "never", *options]
        process = Process.start(*arguments, variables=warehouse.variables | variables)
        started.append(process)
        [port] = process.wait_until_it_says(r"Mixhouse is at http://\S+:(\d+)/ ").groups()
        # It may serve at all addresses of the machine, and this is always one of them.
        return Server(process, f"http://127.0.0.1:{port}", api_key(warehouse))

    try:
        yield start
    finally:
        for process in started:
            process.end()


@pytest.fixture(scope="session")
def web_address(web_warehouse: Warehouse, session_servers: StartServer) -> str:
    """The address of a server on `web_warehouse` that runs as long as the session; it has a worker."""
    return session_servers(web_warehouse).address


def chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


# A module: while it is open no other test could run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    program = chromium()
    if program is None:
        if IN_CI:
            pytest.fail("CI has no Chromium; .ci/run installs one")
        pytest.skip("no Chromium on this machine")
    # Chromium has no sandbox for root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    # Other tests, and a worker, share the processors: what is late is not what is tested here.
    expect.set_options(timeout=15_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@dataclass
class Complaints:
    """What browsers have said that they should not have; a test may expect some by `expected`."""

    found: list[str]
    expected: tuple[str, ...] = ()

    def unexpected(self) -> list[str]:
        return [text for text in self.found if not any(words in text for words in self.expected)]


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """Errors and warnings in the browser's console, violations of the policy for content among them."""
    complaints = Complaints([])
    yield complaints
    assert not complaints.unexpected(), "\n".join(complaints.unexpected())


Browse = Callable[..., Page]


@pytest.fixture
def browse(
    browser: Browser,
    complaints: Complaints,
    start_server: StartServer,  # so that pages, which ask again and again, close before their server ends
    request: pytest.FixtureRequest,
) -> Iterator[Browse]:
    """Opens a page of a server, `web_address` if none is given, in a browser that nobody has used before."""
    contexts = []

    def open_page(path: str, *, address: str | None = None, width: int = WIDE, height: int = 900) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()

        def hear(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                complaints.found.append(f"{page.url}: {message.type}: {message.text} ({message.location})")

        page.on("console", hear)
        page.on("pageerror", lambda error: complaints.found.append(f"{page.url}: {error}"))
        page.goto((address or request.getfixturevalue("web_address")) + path)
        page.wait_for_load_state("networkidle")
        page.wait_for_selector("#opening", state="hidden")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def shoot() -> Callable[[Page, str], Path]:
    """Keeps a screenshot of a whole page, under a name and its width."""

    def shoot(page: Page, name: str) -> Path:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        size = page.viewport_size
        assert size is not None
        path = SCREENSHOTS / f"{name}-{size['width']}.png"
        page.screenshot(path=path, full_page=True)
        return path

    return shoot


@pytest.fixture(scope="session")
def assert_accessible() -> Callable[[Page], None]:
    """Asserts that axe finds nothing serious, and that nothing is wider than the screen."""

    def check(page: Page) -> None:
        # It is sent as the developer's tools do it, which the policy for content does not concern.
        found = Axe().run(page).response["violations"]
        serious = [
            f"{rule['id']} ({rule['impact']}): {rule['help']}: {[node['html'][:200] for node in rule['nodes'][:3]]}"
            for rule in found
            if rule["impact"] in {"serious", "critical"}
        ]
        assert not serious, "\n".join(serious)
        widths = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert widths[0] <= widths[1], f"{page.url} is {widths[0]} pixels wide on a screen of {widths[1]}"

    return check


@pytest.fixture(scope="session")
def eventful_warehouse(new_web_warehouse: NewWarehouse) -> Warehouse:
    """A warehouse as `web_warehouse`, in which artists and genres rose and fell, and something was refused.

    Made playlists have no trends, and a thousand are too few for months. An artist has a name that is a script.
    """
    warehouse = new_web_warehouse()
    with warehouse.connect() as connection:
        connection.execute((Path(__file__).with_name("events.sql")).read_bytes())
    return warehouse


@pytest.fixture
def eventful_app(eventful_warehouse: Warehouse, new_application: NewApplication) -> flask.Flask:
    """The application on `eventful_warehouse`, in this process."""
    return new_application(eventful_warehouse)


@pytest.fixture(scope="session")
def eventful_address(eventful_warehouse: Warehouse, session_servers: StartServer) -> str:
    """The address of a server on `eventful_warehouse`, with a worker."""
    return session_servers(eventful_warehouse).address


@pytest.fixture(scope="session")
def untrained_warehouse(new_web_warehouse: NewWarehouse) -> Warehouse:
    """Loaded and built, with no model: what a build leaves if there is nothing to train."""
    warehouse = new_web_warehouse()
    with warehouse.connect() as connection:
        connection.execute("update ml.model_runs set serving = false")
        connection.execute(
            "truncate insights.playlist_performance, insights.playlist_recommendations,"
            " insights.artist_recommendations, insights.model_performance, insights.model_candidates,"
            " insights.feature_importances"
        )
        connection.execute(
            "update marts.playlists set predicted_followers = null, predicted_low = null, predicted_high = null,"
            " confidence_score = null, last_processed = null"
        )
        connection.execute(
            "update insights.overview set playlists_predicted = 0, artists_clustered = 0, popularity_error = null,"
            " popularity_error_of_a_constant = null, clustering_silhouette = null"
        )
    return warehouse


@pytest.fixture
def untrained_app(untrained_warehouse: Warehouse, new_application: NewApplication) -> flask.Flask:
    """The application on `untrained_warehouse`, in this process."""
    return new_application(untrained_warehouse)
