"""When models are trained, when they only score, and when they are left alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import psycopg
import pytest

from python_ml import model_manager
from python_ml.errors import FeaturesMissing, RulesInvalid, TrainingInProgress
from python_ml.model_manager import Rules, State, decide, keep_fresh, read_rules, read_state, train_all
from python_ml.train_models import TRAINING_LOCK
from warehouse.database import connect

POPULARITY, TRENDS = "playlist_popularity", "artist_trends"
NOW = datetime(2026, 6, 30, tzinfo=UTC)
FRESH = State(serving=7, trained_at=NOW - timedelta(days=1), is_of_this_code=True)


# ----------------------------------------------------------------------------------------------------------------------
# Decisions


@pytest.mark.parametrize(
    ("model", "state", "action", "reason"),
    [
        (POPULARITY, State(unprocessed=5), "train", "no training serves yet"),
        (POPULARITY, FRESH, "nothing", "run 7 has scored all playlists as they are"),
        (POPULARITY, replace(FRESH, unprocessed=1), "score", "1 playlists are new or changed .*, no more than 100"),
        (POPULARITY, replace(FRESH, unprocessed=100), "score", "100 playlists"),
        (POPULARITY, replace(FRESH, unprocessed=101), "train", "101 playlists are new or changed .*, more than 100"),
        (TRENDS, replace(FRESH, unprocessed=50), "score", "50 artists"),
        (TRENDS, replace(FRESH, unprocessed=51), "train", "51 artists .*, more than 50"),
        (TRENDS, replace(FRESH, is_of_this_code=False), "train", "parameters or libraries .* run 7"),
        (POPULARITY, replace(FRESH, unprocessed=1, problem="the stored model of run 7 is gone"), "train", "is gone"),
        (POPULARITY, replace(FRESH, problem="the stored model of run 7 is gone"), "nothing", "all playlists"),
    ],
)
def test_what_a_model_needs_follows_from_its_state(model: str, state: State, action: str, reason: str) -> None:
    decision = decide(model, state, Rules(), NOW)
    assert decision.action == action
    assert pd.Series([decision.reason]).str.contains(reason).all(), decision.reason


def test_an_old_training_is_repeated_when_anything_is_new() -> None:
    old = replace(FRESH, trained_at=NOW - timedelta(days=30), unprocessed=1)
    assert decide(POPULARITY, old, Rules(), NOW).action == "train"
    assert (
        decide(
            POPULARITY, replace(old, trained_at=NOW - timedelta(days=30) + timedelta(seconds=1)), Rules(), NOW
        ).action
        == "score"
    )
    assert decide(POPULARITY, replace(old, unprocessed=0), Rules(), NOW).action == "nothing"


@pytest.mark.parametrize("unset", [{}, {"MIXHOUSE_RETRAIN_DAYS": ""}])
def test_rules_that_nobody_sets_are_the_usual_ones(unset: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in unset.items():
        monkeypatch.setenv(name, value)
    assert read_rules() == Rules() == Rules({POPULARITY: 100, TRENDS: 50}, timedelta(days=30))


def test_each_rule_is_set_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXHOUSE_RETRAIN_PLAYLISTS", "1000")
    assert read_rules() == Rules({POPULARITY: 1000, TRENDS: 50})
    monkeypatch.setenv("MIXHOUSE_RETRAIN_ARTISTS", "0")
    monkeypatch.setenv("MIXHOUSE_RETRAIN_DAYS", "999999999")
    rules = read_rules()
    assert rules == Rules({POPULARITY: 1000, TRENDS: 0}, timedelta(days=999999999))
    assert decide(TRENDS, replace(FRESH, unprocessed=1), rules, NOW).action == "train"
    assert decide(POPULARITY, replace(FRESH, unprocessed=1000), rules, NOW).action == "score"


@pytest.mark.parametrize("value", ["many", "-1", "1.5", "1e3", " 7", "\u0663", "1000000000"])
@pytest.mark.parametrize("name", ["MIXHOUSE_RETRAIN_PLAYLISTS", "MIXHOUSE_RETRAIN_ARTISTS", "MIXHOUSE_RETRAIN_DAYS"])
def test_a_rule_that_is_no_number_is_refused_by_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(RulesInvalid, match=f"{name} is '{value}'; set it to a whole number"):
        read_rules()


# ----------------------------------------------------------------------------------------------------------------------
# What is done


@pytest.fixture
def stored(connection, store, playlists, artists):
    """A connection to a database that has features and no run yet."""
    store(connection, playlists, artists)
    connection.autocommit = True
    return connection


def runs(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        "select model, status, serving, scored_with is not null, rows_read from ml.model_runs order by run_id"
    ).fetchall()


def change_playlists(connection: psycopg.Connection, count: int) -> None:
    """Let that many playlists have other features."""
    connection.execute(
        "update features.playlist_features set num_tracks = num_tracks + 1, features_digest = features_digest + 1"
        " where pid < %s",
        [count],
    )


def test_what_changed_a_little_is_scored_and_what_changed_much_is_trained(stored) -> None:
    assert [outcome.model for outcome in keep_fresh(connect, trigger="build")] == [POPULARITY, TRENDS]
    assert keep_fresh(connect, trigger="build") == []

    change_playlists(stored, 3)
    [scored] = keep_fresh(connect, trigger="build")
    assert (scored.model, scored.rows_read, scored.error) == (POPULARITY, 3, None)
    assert keep_fresh(connect, trigger="build") == []

    change_playlists(stored, 101)
    [trained] = keep_fresh(connect, trigger="build")
    assert (trained.model, trained.rows_read, trained.scored_with) == (POPULARITY, 300, None)
    assert runs(stored) == [
        (POPULARITY, "succeeded", False, False, 300),
        (TRENDS, "succeeded", True, False, 150),
        (POPULARITY, "succeeded", False, True, 3),
        (POPULARITY, "succeeded", True, False, 300),
    ]


def test_a_changed_playlist_is_held_out_only_if_the_model_was_fitted_on_no_version_of_it(stored) -> None:
    keep_fresh(connect, trigger="build")
    held_out = "select pid, is_held_out from ml.playlist_predictions where run_id = %s and pid < 10 order by pid"
    trained = stored.execute(held_out, [1]).fetchall()
    assert {is_held_out for _, is_held_out in trained} == {True, False}
    # Twice, since what a scoring says of it is not what the model was fitted on.
    for _ in range(2):
        change_playlists(stored, 10)
        [scored] = keep_fresh(connect, trigger="build")
        assert stored.execute(held_out, [scored.run_id]).fetchall() == trained

    stored.execute(
        "create temporary table another as select * from features.playlist_features where pid = 0;"
        " update another set pid = 300; insert into features.playlist_features select * from another"
    )
    [scored] = keep_fresh(connect, trigger="build")
    assert stored.execute(
        "select pid, is_held_out from ml.playlist_predictions where run_id = %s", [scored.run_id]
    ).fetchall() == [(300, True)]


def test_what_serves_is_the_latest_that_the_serving_training_or_its_model_said(stored) -> None:
    keep_fresh(connect, trigger="build")
    change_playlists(stored, 3)
    keep_fresh(connect, trigger="build")
    # What failed, what is under way, and a training that does not serve say nothing.
    stored.execute(
        "insert into ml.model_runs (model, trigger, status, scored_with, params, library_versions) values"
        " ('playlist_popularity', '', 'failed', 1, '{}', '{}'), ('playlist_popularity', '', 'running', 1, '{}', '{}'),"
        " ('playlist_popularity', '', 'succeeded', null, '{}', '{}');"
        " insert into ml.playlist_predictions (run_id, pid, predicted_followers, is_held_out, predicted_at)"
        " select run_id, 0, 1, true, now() from ml.model_runs where run_id > 3"
    )
    serving = "select run_id, count(*), count(distinct {}), min({}) from ml.{} group by run_id order by run_id"
    assert stored.execute(serving.format("pid", "pid", "serving_predictions")).fetchall() == [
        (1, 297, 297, 3),
        (3, 3, 3, 0),
    ]
    assert stored.execute(serving.format("artist_uri", "cluster_id", "serving_clusters")).fetchall() == [
        (2, 150, 150, 0)
    ]


def test_what_is_done_follows_the_rules_of_the_environment(stored, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_fresh(connect, trigger="build")
    change_playlists(stored, 3)
    monkeypatch.setenv("MIXHOUSE_RETRAIN_PLAYLISTS", "2")
    [outcome] = keep_fresh(connect, trigger="build")
    assert (outcome.rows_read, outcome.scored_with) == (300, None)


def test_a_playlist_that_changes_back_is_scored_again(stored) -> None:
    keep_fresh(connect, trigger="build")
    for step in (1, -1):
        stored.execute(
            "update features.playlist_features set features_digest = features_digest + %s where pid = 5", [step]
        )
        [scored] = keep_fresh(connect, trigger="build")
        assert scored.rows_read == 1
    assert read_state(stored, POPULARITY).unprocessed == 0


def test_scoring_says_what_the_training_would_have_said(stored) -> None:
    keep_fresh(connect, trigger="build")
    stored.execute("update features.playlist_features set features_digest = features_digest + 1 where pid = 5")
    keep_fresh(connect, trigger="build")
    predictions = stored.execute(
        "select distinct predicted_followers, interval_low, interval_high, confidence_score"
        " from ml.playlist_predictions where pid = 5"
    ).fetchall()
    assert len(predictions) == 1
    assert stored.execute("select count(*) from ml.playlist_predictions where pid = 5").fetchall() == [(2,)]


def test_a_new_artist_is_assigned_to_a_cluster(stored) -> None:
    keep_fresh(connect, trigger="build")
    stored.execute(
        "insert into features.artist_features"
        " select 'spotify:artist:new', playlist_appearances, avg_followers, track_count, followers_per_playlist,"
        " tracks_per_playlist, 0 from features.artist_features limit 1"
    )
    [scored] = keep_fresh(connect, trigger="build")
    assert (scored.model, scored.rows_read, scored.error) == (TRENDS, 1, None)


def test_a_training_says_why_it_ran(stored) -> None:
    keep_fresh(connect, trigger="schedule")
    train_all(connect, trigger="demand", models=[TRENDS])
    assert stored.execute("select trigger, reason from ml.model_runs order by run_id").fetchall() == [
        ("schedule", "no training serves yet"),
        ("schedule", "no training serves yet"),
        ("demand", "asked for"),
    ]


def test_predictions_of_old_trainings_go_and_their_metrics_stay(stored, monkeypatch) -> None:
    monkeypatch.setattr("python_ml.results.KEPT_TRAININGS", 2)
    for _ in range(3):
        train_all(connect, trigger="demand", models=[TRENDS])
    kept = "select distinct run_id from ml.{} order by 1"
    assert stored.execute(kept.format("artist_clusters")).fetchall() == [(2,), (3,)]
    assert stored.execute(kept.format("models")).fetchall() == [(2,), (3,)]
    assert stored.execute(kept.format("model_metrics")).fetchall() == [(1,), (2,), (3,)]


def test_another_session_that_trains_matters_only_to_who_needs_something(stored) -> None:
    with connect(autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", [TRAINING_LOCK])
        with pytest.raises(TrainingInProgress):
            keep_fresh(connect, trigger="build")
        with pytest.raises(TrainingInProgress):
            train_all(connect, trigger="demand")
    keep_fresh(connect, trigger="build")
    with connect(autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", [TRAINING_LOCK])
        assert keep_fresh(connect, trigger="build") == []


def test_without_features_there_is_nothing_to_decide(connection) -> None:
    connection.execute(
        "insert into ml.model_runs (model, trigger, status, serving, params, library_versions, finished_at)"
        " values ('playlist_popularity', 'demand', 'succeeded', true, '{}', '{}', now())"
    )
    connection.commit()
    with pytest.raises(FeaturesMissing, match="mixhouse build"):
        model_manager.decisions(connection, Rules())
