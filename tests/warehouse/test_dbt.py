"""How dbt is run: what it says of failures and interrupts. Whole runs are in `tests/integration`."""

import os

import pytest
from dbt.cli import main
from dbt.cli.main import dbtRunnerResult

from warehouse.dbt import run_dbt
from warehouse.errors import DbtFailed


def answer_with(monkeypatch: pytest.MonkeyPatch, result: dbtRunnerResult) -> None:
    monkeypatch.setattr(main.dbtRunner, "invoke", lambda self, arguments: result)


def test_an_interrupt_of_dbt_interrupts_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, dbtRunnerResult(success=False, exception=KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        run_dbt(["build"], {})


def test_a_dbt_that_cannot_start_is_a_failure_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, dbtRunnerResult(success=False, exception=ValueError("no such selector")))
    with pytest.raises(DbtFailed, match="no such selector"):
        run_dbt(["build"], {})


def test_variables_are_those_of_the_run_only(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}
    monkeypatch.setattr(
        main.dbtRunner,
        "invoke",
        lambda self, arguments: seen.update(os.environ) or dbtRunnerResult(success=True),
    )
    run_dbt(["parse"], {"PGDATABASE": "elsewhere"})
    assert seen["PGDATABASE"] == "elsewhere"
    assert os.environ.get("PGDATABASE") != "elsewhere"
