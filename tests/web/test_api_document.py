"""The OpenAPI document, and that what is answered is what it says, whatever is asked for."""

import contextlib
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest
import schemathesis
from commands import Warehouse
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance, unsupported_method

from warehouse.settings import PROJECT_ROOT
from web import jobs
from web.access import create_key
from web.limits import limiter

NewApplication = Callable[..., flask.Flask]

# Which methods there are is told to who has a key, and what a key is good for: both are tested by themselves, in
# test_api_errors.py. The check takes a key that it is given for one that it made up.
EXCLUDED = [unsupported_method, ignored_auth]
EXAMPLES = 10
"""Of each operation: what is wrong with one shows with few of them, and CI has minutes."""


@pytest.fixture
def document(new_application: NewApplication, web_warehouse: Warehouse) -> dict[str, Any]:
    found: dict[str, Any] = new_application(web_warehouse).test_client().get("/openapi.json").get_json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_each_operation_says_what_it_does_and_answers(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names)) > 35
    for path, method, operation in operations(document):
        assert operation["summary"], path
        assert operation["description"].strip(), path
        assert "<br" not in operation["description"], path
        assert operation["tags"], path
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert answer["content"] == {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
                }, path
                assert answer["description"]
        needed = {"403"} if path == "/healthz" else {"401", "403", "503"}
        if "requestBody" in operation:
            needed |= {"400", "413", "415", "422"}
            assert operation["requestBody"]["content"]["application/json"]["examples"], path
        if operation.get("parameters"):
            needed |= {"422"}
        assert needed <= operation["responses"].keys(), path
        assert ("security" in operation) == (method == "post" and not path.startswith("/analyze")), path


def test_each_example_of_a_body_is_good(document: dict[str, Any], client: Any) -> None:
    """By the operation itself: 404 is for what the database of these tests does not have."""
    for path in ("/analyze_playlist", "/analyze_artist"):
        examples = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"]
        assert len(examples) == 2
        for example in examples.values():
            assert client.post(path, json=example["value"]).status_code in {200, 404}


def test_the_document_is_there_without_a_database(
    new_application: NewApplication, web_warehouse: Warehouse, document: dict[str, Any]
) -> None:
    away = new_application(Warehouse(web_warehouse.variables | {"PGPORT": "1"})).test_client()
    assert away.get("/openapi.json").get_json() == document
    assert away.get("/api-docs/swagger").status_code == 200


@pytest.fixture
def fuzzed(new_web_warehouse: Callable[..., Warehouse], new_application: NewApplication) -> tuple[flask.Flask, str]:
    """The application on a warehouse of its own, for what is asked of it starts runs and lands playlists; a key."""
    warehouse = new_web_warehouse()
    with warehouse.connect() as connection:
        connection.autocommit = True
        jobs.install(connection)
        key = create_key(connection, "fuzzing")
    return new_application(warehouse), key


def ask(operation: Any, mode: GenerationMode, headers: dict[str, str]) -> None:
    """Ask an operation what schemathesis makes up, and hold the answers against the document."""
    # Rules of playlists are more than a schema can say: what keeps it may break them.
    excluded = [*EXCLUDED, positive_data_acceptance] if operation.label == "POST /playlists" else EXCLUDED

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        limiter.reset()
        answer = case.call(headers=headers)
        assert answer.status_code < 500, answer.text
        case.validate_response(answer, excluded_checks=excluded, headers=headers)

    check()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as it is to be", "wrong"])
@pytest.mark.parametrize("with_key", [False, True], ids=["without a key", "with a key"])
def test_answers_are_what_the_document_says(
    fuzzed: tuple[flask.Flask, str], mode: GenerationMode, with_key: bool
) -> None:
    app, key = fuzzed
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    headers = {"Authorization": f"Bearer {key}"} if with_key else {}
    tried = []
    for result in schema.get_all_operations():
        operation = result.ok()
        if mode is GenerationMode.NEGATIVE and not (operation.query or operation.path_parameters or operation.body):
            continue

        # Of a name that may be any text none is wrong.
        with contextlib.suppress(Unsatisfiable):
            ask(operation, mode, headers)
        tried.append(operation.label)
    assert len(tried) > (35 if mode is GenerationMode.POSITIVE else 20)


def shown_commands() -> list[str]:
    page = (PROJECT_ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", page, flags=re.DOTALL)
    one = re.compile(r"^curl .*?$(?=\n(?:curl|mixhouse)|\n?\Z)", flags=re.DOTALL | re.MULTILINE)
    return [command for block in blocks for command in one.findall(block)]


def test_what_the_guide_shows_can_be_asked(fuzzed: tuple[flask.Flask, str]) -> None:
    app, key = fuzzed
    client = app.test_client()
    asked = []
    for command in shown_commands():
        words = shlex.split(command.replace("$KEY", key).replace("\\\n", " "), comments=True)
        headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
        [address] = [word for word in words if word.startswith("http://127.0.0.1:8000/")]
        path = address.removeprefix("http://127.0.0.1:8000")
        body = next((words[at + 1] for at, word in enumerate(words) if word in {"-d", "--data-binary"}), None)
        if path == "/playlists":
            body = '{"playlists": []}'
        method = "GET" if body is None else "POST"
        answer = client.open(path, method=method, headers=headers, data=body)
        # Nobody has started a run yet.
        assert answer.status_code < 400 or (path, answer.status_code) == ("/runs/1", 404), f"{command}: {answer.text}"
        asked.append(path)
    assert len(asked) >= 12
    assert {"/analyze_playlist", "/analyze_artist", "/playlists", "/runs"} <= set(asked)
