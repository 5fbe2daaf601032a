"""When a build is needed, and in which order it runs its steps. dbt is stood in for; the database is real."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection

from warehouse import pipeline
from warehouse.dbt import DbtOutcome
from warehouse.errors import DbtFailed


@pytest.fixture
def steps(database: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps that a build took."""
    taken: list[str] = []

    def run_dbt(arguments: Sequence[str], *_: Any) -> DbtOutcome:
        taken.append(arguments[-1])
        return DbtOutcome(nodes=1, warnings=(), seconds=0)

    monkeypatch.setattr(pipeline, "run_dbt", run_dbt)
    return taken


def build(steps: list[str], step: Callable[[], object] = lambda: None, **options: bool) -> pipeline.BuildOutcome:
    def machine_learning() -> list[Exception]:
        steps.append("machine learning")
        step()
        return []

    return pipeline.build(machine_learning, **options)


def land(connection: Connection) -> None:
    connection.execute(
        "insert into staging.slices (source, outcome, started_at, finished_at) values ('a', 'landed', now(), now())"
    )
    connection.commit()


def serve(connection: Connection) -> None:
    connection.execute(
        "insert into ml.model_runs (model, trigger, status, serving, params, library_versions)"
        " values ('artist_trends', 'demand', 'succeeded', true, '{}', '{}')"
    )
    connection.commit()


WHOLE = ["before_ml", "machine learning", "after_ml"]


def test_the_steps_come_in_order_and_a_second_build_takes_none(steps: list[str]) -> None:
    assert build(steps).after_ml is not None
    assert build(steps).after_ml is None
    assert steps == WHOLE


def test_force_builds_what_has_not_changed(steps: list[str]) -> None:
    build(steps)
    build(steps, force=True)
    assert steps == WHOLE * 2


def test_a_new_slice_needs_a_build(steps: list[str], connection: Connection) -> None:
    build(steps)
    land(connection)
    build(steps)
    assert steps == WHOLE * 2


def test_another_library_needs_a_build(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    build(steps)
    monkeypatch.setattr(pipeline, "version", lambda name: "another")
    build(steps)
    assert steps == WHOLE * 2


def test_what_lands_during_a_build_is_left_to_the_next(steps: list[str], connection: Connection) -> None:
    build(steps, lambda: land(connection))
    build(steps)
    assert steps == WHOLE * 2


def test_a_training_that_ends_during_the_second_half_is_left_to_the_next_build(
    steps: list[str], connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dbt = pipeline.run_dbt

    def run_and_train(arguments: Sequence[str], *others: Any) -> DbtOutcome:
        if arguments[-1] == "after_ml" and len(steps) == 2:
            serve(connection)
        return run_dbt(arguments, *others)

    monkeypatch.setattr(pipeline, "run_dbt", run_and_train)
    build(steps)
    build(steps)
    build(steps)
    assert steps == WHOLE * 2


def test_news_are_what_the_last_build_does_not_have(steps: list[str], connection: Connection) -> None:
    assert pipeline.has_news(connection)
    build(steps)
    assert not pipeline.has_news(connection)
    serve(connection)
    assert pipeline.has_news(connection)
    build(steps)
    assert not pipeline.has_news(connection)
    land(connection)
    assert pipeline.has_news(connection)


def test_code_edited_during_a_build_is_left_to_the_next(
    steps: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "models" / "a.sql"
    model.parent.mkdir()
    model.write_text("before", encoding="utf-8")
    for name in ("dbt_project.yml", "selectors.yml"):
        (tmp_path / name).touch()
    monkeypatch.setattr(pipeline, "PROJECT_ROOT", tmp_path)
    build(steps, lambda: model.write_text("after", encoding="utf-8"))
    build(steps)
    build(steps)
    assert steps == WHOLE * 2


def test_a_failed_model_is_tried_again_by_the_next_build(steps: list[str]) -> None:
    failure = ValueError("no")
    assert pipeline.build(lambda: [failure]).failures == [failure]
    build(steps)
    assert steps == ["before_ml", "after_ml", *WHOLE]


@pytest.fixture
def failing_dbt(database: str, monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What happens in each of the next runs of dbt, which then fails; runs after these succeed."""
    happenings: list[Callable[[], object]] = []

    def run_dbt(arguments: Sequence[str], *_: Any) -> DbtOutcome:
        if happenings:
            happenings.pop(0)()
            raise DbtFailed("tests disagree")
        return DbtOutcome(nodes=1, warnings=(), seconds=0)

    monkeypatch.setattr(pipeline, "run_dbt", run_dbt)
    return happenings


def test_a_slice_that_lands_between_two_models_makes_the_build_start_again(
    failing_dbt: list[Callable[[], object]], connection: Connection
) -> None:
    failing_dbt += [lambda: land(connection), lambda: land(connection)]
    assert build([]).after_ml is not None
    outcomes = connection.execute("select outcome from ops.builds order by build_id").fetchall()
    assert outcomes == [("failed",), ("failed",), ("succeeded",)]


def test_a_failure_without_a_new_slice_is_a_failure(
    failing_dbt: list[Callable[[], object]], connection: Connection
) -> None:
    failing_dbt += [lambda: None]
    with pytest.raises(DbtFailed, match="tests disagree"):
        build([])
    assert connection.execute("select outcome, detail from ops.builds").fetchall() == [("failed", "tests disagree")]


def test_a_build_does_not_start_again_for_ever(failing_dbt: list[Callable[[], object]], connection: Connection) -> None:
    failing_dbt += [lambda: land(connection)] * 10
    with pytest.raises(DbtFailed):
        build([])
    assert connection.execute("select count(*) from ops.builds").fetchone() == (pipeline.MOST_ATTEMPTS,)
