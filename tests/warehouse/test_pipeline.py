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
NEWS = ["new_slices", "machine learning", "after_ml"]


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
    assert steps == WHOLE + NEWS


def test_another_library_needs_a_build(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    build(steps)
    monkeypatch.setattr(pipeline, "version", lambda name: "another")
    build(steps)
    assert steps == WHOLE * 2


def test_what_lands_during_a_build_is_left_to_the_next(steps: list[str], connection: Connection) -> None:
    build(steps, lambda: land(connection))
    build(steps)
    assert steps == WHOLE + NEWS


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
    assert steps == WHOLE + NEWS


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


def test_code_edited_during_a_build_is_left_to_the_next(steps: list[str], project: Path) -> None:
    insight = project / "models" / "insights" / "insight.sql"
    build(steps, lambda: insight.write_text("after", encoding="utf-8"))
    build(steps)
    build(steps)
    assert steps == WHOLE * 2


def test_a_failed_model_is_tried_again_by_the_next_build(steps: list[str]) -> None:
    failure = ValueError("no")
    assert pipeline.build(lambda: [failure]).failures == [failure]
    build(steps)
    assert steps == ["before_ml", "after_ml", *WHOLE]


@pytest.fixture
def options(database: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What the first half of each build was asked for."""
    asked: list[tuple[str, ...]] = []

    def run_dbt(arguments: Sequence[str], *_: Any) -> DbtOutcome:
        if arguments[-1] != "after_ml":
            asked.append(tuple(arguments[1:]))
        return DbtOutcome(nodes=1, warnings=(), seconds=0)

    monkeypatch.setattr(pipeline, "run_dbt", run_dbt)
    return asked


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a mart and an insight."""
    models = (
        "marts/mart.sql",
        "marts/_marts__models.yml",
        "insights/insight.sql",
        "insights/playlists/playlist_growth.sql",
    )
    for name in (f"models/{model}" for model in models):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before", encoding="utf-8")
    for name in ("dbt_project.yml", "selectors.yml"):
        (tmp_path / name).touch()
    monkeypatch.setattr(pipeline, "PROJECT_ROOT", tmp_path)
    return tmp_path


NO_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
WHOLE_REFRESH = ("--full-refresh", "--selector", "before_ml")
PROVEN_WHOLE_REFRESH = ("--full-refresh", *NO_UNIT_TESTS, "--selector", "before_ml")
ALL_CODE = ("--selector", "before_ml")
ALL_PROVEN_CODE = (*NO_UNIT_TESTS, "--selector", "before_ml")
NEW_SLICES = (*NO_UNIT_TESTS, "--selector", "new_slices")


def test_new_slices_are_added_to_what_the_same_code_has_made(
    options: list[tuple[str, ...]], connection: Connection
) -> None:
    for _ in range(3):
        build([])
        land(connection)
    assert options == [WHOLE_REFRESH, NEW_SLICES, NEW_SLICES]


def test_a_full_refresh_is_made_on_demand(options: list[tuple[str, ...]]) -> None:
    build([])
    build([], full_refresh=True)
    assert options == [WHOLE_REFRESH, PROVEN_WHOLE_REFRESH]


@pytest.mark.parametrize(
    ("edited", "expected"),
    [("marts/mart.sql", WHOLE_REFRESH), ("marts/_marts__models.yml", ALL_CODE), ("insights/insight.sql", ALL_CODE)],
)
def test_edited_code_runs_unit_tests_and_makes_anew_what_it_had_made(
    options: list[tuple[str, ...]], project: Path, edited: str, expected: tuple[str, ...]
) -> None:
    build([])
    (project / "models" / edited).write_text("after", encoding="utf-8")
    build([])
    build([], force=True)
    assert options == [WHOLE_REFRESH, expected, ALL_PROVEN_CODE]


def test_what_a_failed_build_of_other_code_may_have_made_is_made_anew(
    options: list[tuple[str, ...]], project: Path, connection: Connection
) -> None:
    mart = project / "models" / "marts" / "mart.sql"
    build([])
    mart.write_text("wrong", encoding="utf-8")

    def fail() -> None:
        raise DbtFailed("tests disagree")

    with pytest.raises(DbtFailed, match="tests disagree"):
        build([], fail)
    mart.write_text("before", encoding="utf-8")
    build([])
    land(connection)
    build([])
    assert options == [WHOLE_REFRESH, WHOLE_REFRESH, PROVEN_WHOLE_REFRESH, NEW_SLICES]
    outcomes = connection.execute("select outcome, detail from ops.builds order by build_id").fetchall()
    assert outcomes == [("succeeded", None), ("failed", "tests disagree"), ("succeeded", None), ("succeeded", None)]


def test_a_build_that_failed_is_made_up_for_by_the_next_one(options: list[tuple[str, ...]]) -> None:
    def fail() -> None:
        raise DbtFailed("no")

    build([])
    with pytest.raises(DbtFailed):
        build([], fail, force=True)
    build([])
    # The models know what they contain, and the code was proven; whether views and seeds are in order is not known.
    assert options == [WHOLE_REFRESH, ALL_PROVEN_CODE, ALL_PROVEN_CODE]


def test_code_is_not_proven_by_a_build_that_failed(options: list[tuple[str, ...]]) -> None:
    def fail() -> None:
        raise DbtFailed("no")

    with pytest.raises(DbtFailed):
        build([], fail)
    build([])
    assert options == [WHOLE_REFRESH, WHOLE_REFRESH]


def test_a_view_that_is_gone_is_made_again(options: list[tuple[str, ...]], connection: Connection) -> None:
    connection.execute("create schema features; create view features.things as select 1 as one")
    connection.commit()
    build([])
    connection.execute("drop view features.things")
    connection.commit()
    build([])
    assert options == [WHOLE_REFRESH, ALL_PROVEN_CODE]


def test_a_build_without_an_end_is_marked_by_the_next_one(
    options: list[tuple[str, ...]], connection: Connection
) -> None:
    connection.execute("insert into ops.builds (code_sha256, is_full_refresh) values ('', false)")
    connection.commit()
    build([])
    found = connection.execute("select outcome, detail from ops.builds order by build_id").fetchall()
    assert found == [("failed", "the process that built ended early"), ("succeeded", None)]
