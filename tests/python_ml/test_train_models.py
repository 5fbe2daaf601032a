import contextlib
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import psycopg
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split

from python_ml import artist_trends, features, model_store, playlist_popularity, train_models
from python_ml.errors import FeaturesInvalid, FeaturesMissing, NotEnoughData, TrainingInProgress
from python_ml.model_manager import Rules, decisions, keep_fresh
from python_ml.model_manager import train_all as train
from warehouse.database import connect

SETTINGS = ["transaction_isolation", "transaction_read_only"]
POPULARITY, TRENDS = "playlist_popularity", "artist_trends"


@pytest.fixture
def stored(connection, store, playlists, artists):
    """A connection to a database that has features and no run yet."""
    store(connection, playlists, artists)
    connection.autocommit = True
    return connection


def runs(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute("select model, status, serving from ml.model_runs order by run_id").fetchall()


def results_without_ids_and_times(connection: psycopg.Connection) -> dict[str, list[tuple[object, ...]]]:
    queries = {
        "runs": "select model, trigger, status, params::text, library_versions::text, features_sha256, rows_read"
        " from ml.model_runs where serving order by model",
        "metrics": "select candidate, metric, scale, split, value from ml.model_metrics"
        " join ml.model_runs using (run_id) where serving order by 1, 2, 3, 4",
        "importances": "select method, feature, importance from ml.feature_importances"
        " join ml.model_runs using (run_id) where serving order by 1, 2",
        "predictions": "select pid, predicted_followers, interval_low, interval_high, confidence_score, is_held_out"
        " from ml.playlist_predictions"
        " join ml.model_runs using (run_id) where serving order by 1",
        "clusters": "select artist_uri, cluster_id, similarity_score from ml.artist_clusters"
        " join ml.model_runs using (run_id) where serving order by 1",
    }
    return {name: connection.execute(query).fetchall() for name, query in queries.items()}


def test_published_metrics_of_the_specified_forest_are_those_scikit_learn_computes_from_the_view(stored):
    train(connect, trigger="demand", models=[POPULARITY])
    features = [
        "num_tracks",
        "num_artists",
        "num_albums",
        "duration_ms",
        "collaborative::int",
        "tracks_per_artist",
        "avg_tracks_per_album",
        "avg_track_duration",
        "unique_artists",
    ]
    rows = stored.execute(
        f"select pid, {', '.join(features)}, num_followers from features.playlist_features order by pid"
    ).fetchall()
    table = np.array(rows, dtype=np.float64)
    inputs, target = table[:, 1:-1], table[:, -1]
    train_inputs, test_inputs, train_target, test_target = train_test_split(
        inputs, target, test_size=0.2, random_state=42
    )
    forest = RandomForestRegressor(n_estimators=100, max_depth=10, random_state=42).fit(train_inputs, train_target)

    metrics = {
        key: value
        for *key_parts, value in stored.execute(
            "select metric, scale, split, value from ml.model_metrics where candidate is null"
        ).fetchall()
        for key in [tuple(key_parts)]
    }
    for scale, transform in (("raw", np.asarray), ("log1p", np.log1p)):
        answers = {
            "test": (test_target, transform(forest.predict(test_inputs))),
            "train": (train_target, transform(forest.predict(train_inputs))),
            "baseline_mean": (test_target, np.full(len(test_target), transform(train_target).mean())),
            "baseline_median": (test_target, np.full(len(test_target), np.median(transform(train_target)))),
            "baseline_one": (test_target, np.full(len(test_target), transform(1.0))),
        }
        for split, (truth, answer) in answers.items():
            for name, measure in (
                ("rmse", root_mean_squared_error),
                ("mae", mean_absolute_error),
                ("r2", r2_score),
            ):
                expected = measure(transform(truth), answer)
                assert metrics.pop((name, scale, split)) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert metrics == {}


def test_predictions_and_clusters_are_those_of_the_stored_models(stored):
    popularity, trends = train(connect, trigger="demand")
    frame = features.read(stored, features.PLAYLISTS).frame
    said = playlist_popularity.score(model_store.load(stored, popularity.run_id), frame)
    published = stored.execute(
        "select pid, predicted_followers, interval_low, interval_high, confidence_score"
        " from ml.playlist_predictions order by pid"
    ).fetchall()
    assert published == list(said.itertuples(name=None))
    frame = features.read(stored, features.ARTISTS).frame
    said = artist_trends.assign(model_store.load(stored, trends.run_id), frame)
    published = stored.execute(
        'select artist_uri, cluster_id, similarity_score from ml.artist_clusters order by artist_uri collate "C"'
    ).fetchall()
    assert published == list(said.itertuples(name=None))


def test_a_training_publishes_every_playlist_and_artist_and_serves(stored, playlists, artists):
    outcomes = train(connect, trigger="build")
    assert [(outcome.model, outcome.rows_read, outcome.error) for outcome in outcomes] == [
        (POPULARITY, 300, None),
        (TRENDS, 150, None),
    ]
    assert runs(stored) == [(POPULARITY, "succeeded", True), (TRENDS, "succeeded", True)]
    pids = stored.execute(
        "select pid from ml.playlist_predictions where run_id = %s order by pid", [outcomes[0].run_id]
    )
    assert [pid for (pid,) in pids] == playlists.index.to_list()
    clusters = stored.execute(
        "select artist_uri, cluster_id from ml.artist_clusters where run_id = %s", [outcomes[1].run_id]
    )
    by_uri = dict(clusters.fetchall())
    assert pd.crosstab(artists["planted"], artists.index.map(by_uri)).gt(0).sum().tolist() == [1] * 5
    importances = stored.execute(
        "select method, sum(importance) from ml.feature_importances group by method order by method"
    ).fetchall()
    assert [method for method, _ in importances] == ["impurity", "permutation"]
    assert importances[0] == ("impurity", pytest.approx(1))


def test_a_run_records_why_and_with_what_it_ran(stored):
    train(connect, trigger="schedule", models=[POPULARITY])
    row = stored.execute(
        "select trigger, params, library_versions, rows_read, length(features_sha256), finished_at > started_at, error"
        " from ml.model_runs"
    ).fetchone()
    trigger, params, versions, rows_read, digest_length, is_ordered, error = row
    assert (trigger, rows_read, digest_length, is_ordered, error) == ("schedule", 300, 64, True, None)
    assert params["estimator"] == "RandomForestRegressor"
    assert params["estimator_params"]["max_depth"] == 10
    assert params["features"][:2] == ["num_tracks", "num_artists"]
    assert params["split_seed"] == params["estimator_params"]["random_state"] == 42
    assert {"python", "mixhouse", "scikit-learn", "numpy"} <= set(versions)


def test_the_same_data_gives_the_same_results_to_the_last_digit(stored):
    train(connect, trigger="demand")
    first = results_without_ids_and_times(stored)
    train(connect, trigger="demand")
    assert results_without_ids_and_times(stored) == first
    assert [len(first[name]) for name in ("runs", "predictions", "clusters")] == [2, 300, 150]
    assert first["metrics"]
    assert first["importances"]


def test_results_of_earlier_runs_stay_and_one_run_a_model_serves(stored):
    train(connect, trigger="demand")
    train(connect, trigger="demand")
    assert runs(stored) == [
        (POPULARITY, "succeeded", False),
        (TRENDS, "succeeded", False),
        (POPULARITY, "succeeded", True),
        (TRENDS, "succeeded", True),
    ]
    assert stored.execute("select count(*) from ml.playlist_predictions").fetchone() == (600,)


def test_a_failed_training_keeps_the_previous_results_serving_and_does_not_stop_the_next_model(stored):
    train(connect, trigger="demand")
    before = results_without_ids_and_times(stored)
    stored.execute("update features.playlist_features set num_tracks = null where pid = 5")
    outcomes = train(connect, trigger="demand")
    assert isinstance(outcomes[0].error, FeaturesInvalid)
    assert outcomes[1].error is None
    assert runs(stored)[2:] == [(POPULARITY, "failed", False), (TRENDS, "succeeded", True)]
    assert results_without_ids_and_times(stored) == before
    error = stored.execute("select error from ml.model_runs where status = 'failed'").fetchone()
    assert error == (str(outcomes[0].error),)


def test_a_publication_that_the_database_refuses_leaves_nothing_behind(stored):
    train(connect, trigger="demand", models=[TRENDS])
    before = results_without_ids_and_times(stored)
    stored.execute("alter table ml.model_metrics add check (run_id = 1)")
    (outcome,) = train(connect, trigger="demand", models=[TRENDS])
    assert isinstance(outcome.error, psycopg.errors.CheckViolation)
    assert runs(stored) == [(TRENDS, "succeeded", True), (TRENDS, "failed", False)]
    assert results_without_ids_and_times(stored) == before
    assert stored.execute("select count(*) from ml.artist_clusters").fetchone() == (150,)


def test_readers_see_the_old_results_until_all_of_the_new_are_there(stored, monkeypatch):
    train(connect, trigger="demand", models=[TRENDS])
    seen = []

    def look_then_publish(*arguments, **options):
        with arguments[0].transaction():
            publish(*arguments, **options)
            seen.append(stored.execute("select run_id, status, serving from ml.model_runs order by 1").fetchall())

    publish = train_models.publish
    monkeypatch.setattr(train_models, "publish", look_then_publish)
    train(connect, trigger="demand", models=[TRENDS])
    assert seen == [[(1, "succeeded", True), (2, "running", False)]]
    assert runs(stored) == [(TRENDS, "succeeded", False), (TRENDS, "succeeded", True)]


def test_features_are_read_in_one_snapshot_that_cannot_write(stored, monkeypatch):
    seen = []

    def read(connection, view):
        settings = connection.execute("select current_setting(%s), current_setting(%s)", SETTINGS)
        seen.append(settings.fetchone())
        return features.read(connection, view)

    monkeypatch.setattr(train_models, "features", SimpleNamespace(read=read, digest=features.digest))
    train(connect, trigger="demand", models=[TRENDS])
    assert seen == [("repeatable read", "on")]


def test_what_is_built_next_is_planned_with_the_new_results_in_mind(stored):
    train(connect, trigger="demand")
    estimates = stored.execute(
        "select reltuples from pg_class"
        " where oid in ('ml.playlist_predictions'::regclass, 'ml.artist_clusters'::regclass) order by 1"
    ).fetchall()
    assert estimates == [(150,), (300,)]


def test_too_little_data_is_a_recorded_failure_with_the_numbers(connection, store, playlists, artists):
    store(connection, playlists.head(3), artists.head(2))
    outcomes = train(connect, trigger="build")
    assert [type(outcome.error) for outcome in outcomes] == [NotEnoughData, NotEnoughData]
    errors = [error for (error,) in connection.execute("select error from ml.model_runs order by run_id").fetchall()]
    assert "there are 3;" in errors[0]
    assert "among 2 artists" in errors[1]


def test_training_before_the_first_build_says_what_to_do(database):
    outcomes = train(connect, trigger="demand")
    assert [type(outcome.error) for outcome in outcomes] == [FeaturesMissing, FeaturesMissing]
    assert "mixhouse build" in str(outcomes[0].error)


def test_only_one_session_trains_at_a_time(stored):
    with contextlib.closing(connect(autocommit=True)) as other:
        other.execute("select pg_advisory_lock(%s)", [train_models.TRAINING_LOCK])
        with pytest.raises(TrainingInProgress, match="another session is training"):
            train(connect, trigger="demand")
    assert runs(stored) == []


def test_a_second_training_started_during_the_first_is_refused_and_the_first_is_not_disturbed(stored, monkeypatch):
    refusals = []

    def train_again(*arguments, **options):
        with pytest.raises(TrainingInProgress):
            train(connect, trigger="schedule")
        refusals.append(arguments[2])
        publish(*arguments, **options)

    publish = train_models.publish
    monkeypatch.setattr(train_models, "publish", train_again)
    outcomes = train(connect, trigger="demand")
    assert refusals == [POPULARITY, TRENDS]
    assert [outcome.error for outcome in outcomes] == [None, None]


def test_the_lock_is_free_after_a_training_that_failed(database):
    train(connect, trigger="demand")
    with contextlib.closing(connect(autocommit=True)) as other:
        lock = other.execute("select pg_try_advisory_lock(%s)", [train_models.TRAINING_LOCK]).fetchone()
    assert lock == (True,)


def test_an_interrupt_is_recorded_and_passed_on(stored, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(train_models, "publish", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(connect, trigger="demand")
    assert runs(stored) == [(POPULARITY, "failed", False)]
    assert stored.execute("select error from ml.model_runs").fetchone() == ("KeyboardInterrupt",)


def test_a_connection_lost_while_fitting_is_a_recorded_failure(stored, monkeypatch):
    def lose_connection(connection, *_, **__):
        stored.execute("select pg_terminate_backend(%s)", [connection.info.backend_pid])
        connection.execute("select 1")

    monkeypatch.setattr(train_models, "publish", lose_connection)
    (outcome,) = train(connect, trigger="demand", models=[TRENDS])
    assert isinstance(outcome.error, psycopg.OperationalError)
    assert runs(stored) == [(TRENDS, "failed", False)]


def actions(connection: psycopg.Connection) -> list[str]:
    return [decision.action for decision in decisions(connection, Rules())]


def test_a_model_is_trained_again_when_parameters_or_libraries_change(stored):
    assert actions(stored) == ["train", "train"]
    train(connect, trigger="build")
    assert actions(stored) == ["nothing", "nothing"]
    for column, path in (("params", "{scaler}"), ("library_versions", "{numpy}")):
        with stored.transaction(force_rollback=True):
            stored.execute(f"update ml.model_runs set {column} = jsonb_set({column}, %s, %s)", [path, json.dumps("x")])
            assert actions(stored)[1] == "train"
    assert actions(stored) == ["nothing", "nothing"]


def test_a_failed_attempt_is_made_again(connection, store, playlists, artists):
    store(connection, playlists.head(3), artists)
    keep_fresh(connect, trigger="build")
    assert actions(connection) == ["train", "nothing"]


def test_who_has_nothing_to_do_still_closes_abandoned_runs(stored):
    train(connect, trigger="build")
    stored.execute(
        "insert into ml.model_runs (model, trigger, status, params, library_versions)"
        " values ('artist_trends', 'build', 'running', '{}', '{}')"
    )
    assert keep_fresh(connect, trigger="build") == []
    assert stored.execute("select status from ml.model_runs order by run_id").fetchall() == [
        ("succeeded",),
        ("succeeded",),
        ("failed",),
    ]


def test_a_run_records_how_long_its_phases_took(stored):
    train(connect, trigger="build", models=[TRENDS])
    [(phases,)] = stored.execute("select phase_seconds from ml.model_runs").fetchall()
    assert list(phases) == ["fit", "read"]
    assert min(phases.values()) >= 0
