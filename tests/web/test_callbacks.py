"""What is sent to callbacks by hand: it is answered as what it is, whatever it is."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import flask
import flask.testing
import pytest
from commands import Warehouse

from web import jobs
from web.problems import Unprocessable

PATH = "/app/_dash-update-component"
WRONG: tuple[Any, ...] = (
    *(None, True, "", "x", "²", "\0", "2017-13-01", -1, 0, 1.5, 2**31, 2**63, 1e308),
    *([], [None], ["x"], [[]], {}, {"x": 1}, {"run_id": "²", "status": "x"}, {"module": "x", "parts": {}}),
)
"""What no slider, no field and no clock of a page sends, or not all of them."""


@pytest.fixture(scope="module")
def copy(new_web_warehouse: Callable[..., Warehouse]) -> Warehouse:
    """A warehouse in which runs may be started; nothing performs them."""
    warehouse = new_web_warehouse()
    with warehouse.connect() as connection:
        connection.autocommit = True
        jobs.install(connection)
    return warehouse


@pytest.fixture
def tampering(copy: Warehouse, new_application: Callable[..., flask.Flask]) -> flask.testing.FlaskClient:
    client = new_application(copy).test_client()
    # The callbacks of Dash itself are there from the first page on.
    assert client.get("/app/_dash-dependencies").status_code == 200
    return client


def parts(declared: list[dict[str, Any]], values: Iterator[Any]) -> list[Any]:
    found: list[Any] = []
    for part in declared:
        if not part["id"].startswith("{"):
            found.append({"id": part["id"], "property": part["property"], "value": next(values)})
            continue
        pattern = json.loads(part["id"])
        one = {
            "id": {key: value if isinstance(value, str) else "docs" for key, value in pattern.items()},
            "property": part["property"],
            "value": next(values),
        }
        found.append([one] if ["ALL"] in pattern.values() else one)
    return found


def outputs(output: str) -> Any:
    """Return what Dash's own page sends as the outputs of a callback."""
    is_many = output.startswith("..")
    names = output.strip(".").split("...") if is_many else [output]
    made = []
    for name in names:
        component, _, property_ = name.rpartition(".")
        made.append({"id": component, "property": property_})
    declared = parts(made, itertools.repeat(None))
    return declared if is_many else declared[0]


def body(callback: dict[str, Any], values: Iterator[Any]) -> dict[str, Any]:
    inputs, state = parts(callback["inputs"], values), parts(callback["state"], values)
    changed = [
        f"{json.dumps(one['id'], sort_keys=True) if isinstance(one['id'], dict) else one['id']}.{one['property']}"
        for part in inputs[:1]
        for one in (part if isinstance(part, list) else [part])
    ]
    return {
        "output": callback["output"],
        "outputs": outputs(callback["output"]),
        "inputs": inputs,
        "state": state,
        "changedPropIds": changed,
    }


def test_no_value_makes_a_callback_fail(tampering: flask.testing.FlaskClient) -> None:
    callbacks = [one for one in tampering.get("/app/_dash-dependencies").json or [] if not one["clientside_function"]]
    assert len(callbacks) > 15
    failed, malformed = [], []
    for callback in callbacks:
        for wrong in WRONG:
            answer = tampering.post(PATH, json=body(callback, itertools.repeat(wrong)))
            if answer.status_code >= 500:
                failed.append((callback["output"], wrong, answer.status_code))
            if answer.status_code == 400:
                malformed.append((callback["output"], wrong, answer.text))
    assert not failed
    # They are of the form that Dash has, and each was read.
    assert not malformed


@pytest.mark.parametrize(
    ("output", "value"),
    [
        ("genres-artists.children", "2017-13-01"),
        ("artists-best.children", "²"),
        ("artists-best.children", str(2**31)),
        ("playlist-answer.children", None),
        ("frame.navbar", "x"),
        ("artists-found.children", ["a"]),
    ],
)
def test_what_a_value_is_not_is_said(tampering: flask.testing.FlaskClient, output: str, value: object) -> None:
    [callback] = [one for one in tampering.get("/app/_dash-dependencies").json or [] if one["output"] == output]
    answer = tampering.post(PATH, json=body(callback, itertools.repeat(value)))
    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"output": 1},
        {"output": []},
        {"output": "no-such.children"},
        {"output": "artists-found.children"},
        {"output": "artists-found.children", "inputs": {}},
        {"output": "artists-found.children", "inputs": [1]},
        {"output": "artists-found.children", "inputs": [{"id": "artists-name"}]},
        {
            "output": "artists-found.children",
            "inputs": [{"id": "artists-name", "property": "value", "value": "a"}],
            "outputs": [],
        },
        {
            "output": "artists-found.children",
            "inputs": [{"id": "artists-name", "property": "value", "value": "a"}],
            "outputs": {"id": "artists-found", "property": "children"},
            "changedPropIds": [1],
        },
    ],
)
def test_a_body_of_another_form_is_malformed(client: flask.testing.FlaskClient, sent: object) -> None:
    answer = client.post(PATH, json=sent)
    assert answer.status_code == 400
    assert answer.mimetype == "application/problem+json"


def test_a_body_that_is_no_object_is_told_so(client: flask.testing.FlaskClient) -> None:
    assert client.post(PATH, json=[]).status_code == 422
    assert client.post(PATH, data="{", content_type="application/json").status_code == 400


def test_a_file_that_dash_has_not_is_not_found(client: flask.testing.FlaskClient) -> None:
    assert client.get("/app/_dash-component-suites/nope/x.js").status_code == 404
    assert client.get("/app/_dash-component-suites/dash/nope.js").status_code == 404


def test_no_number_of_a_run_is_used_up_by_a_kind_that_there_is_not(copy: Warehouse) -> None:
    number = "select last_value, is_called from ops.runs_run_id_seq"
    with copy.connect() as connection:
        before = connection.execute(number).fetchone()
        with pytest.raises(Unprocessable):
            jobs.start_run(connection, "x", "page")  # type: ignore[arg-type]
        assert connection.execute(number).fetchone() == before
