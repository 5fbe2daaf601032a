"""Made playlists through the whole pipeline: models beside scikit-learn, and what people see. Rows: test_oracle.py."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import Warehouse
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from sklearn.model_selection import train_test_split

FEATURES = [
    "num_tracks",
    "num_artists",
    "num_albums",
    "duration_ms",
    "collaborative",
    "tracks_per_artist",
    "avg_tracks_per_album",
    "avg_track_duration",
    "unique_artists",
]


@pytest.fixture(scope="module")
def playlists(synthetic_slices: Path) -> list[dict[str, Any]]:
    slices = sorted(synthetic_slices.glob("mpd.slice.*.json"))
    return [one for path in slices for one in json.loads(path.read_text(encoding="utf-8"))["playlists"]]


def test_every_playlist_has_a_prediction_and_every_artist_a_cluster(synthetic_warehouse: Warehouse) -> None:
    assert synthetic_warehouse.query(
        """
        select
            (select count(*) from marts.playlists where predicted_followers is null or last_processed is null),
            (select count(*) from marts.artists where cluster_id is null or cluster_name is null)
        """
    ) == [(0, 0)]


def test_popularity_metrics_agree_with_scikit_learn_on_the_features(synthetic_warehouse: Warehouse) -> None:
    rows = synthetic_warehouse.rows("select * from features.playlist_features order by pid")
    frame = pd.DataFrame(rows).set_index("pid")
    x = frame[FEATURES].astype(float)
    y = frame["num_followers"].astype(float)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=42)
    forest = RandomForestRegressor(n_estimators=100, max_depth=10, random_state=42).fit(x_train, y_train)
    test, train = forest.predict(x_test), forest.predict(x_train)
    answers = {
        "test": (y_test, test),
        "train": (y_train, train),
        "baseline_one": (y_test, np.ones(len(y_test))),
        "baseline_median": (y_test, np.full(len(y_test), y_train.median())),
    }
    # The constant with the smallest squared error is the mean on that scale.
    means = {"raw": y_train.mean(), "log1p": np.expm1(np.log1p(y_train).mean())}
    expected = {}
    for split, (actual, predicted) in answers.items():
        for scale, transform in (("raw", np.asarray), ("log1p", np.log1p)):
            pair = transform(actual), transform(predicted)
            expected["rmse", scale, split] = np.sqrt(mean_squared_error(*pair))
            expected["mae", scale, split] = mean_absolute_error(*pair)
            expected["r2", scale, split] = r2_score(*pair)
    for scale, transform in (("raw", np.asarray), ("log1p", np.log1p)):
        pair = transform(y_test), transform(np.full(len(y_test), means[scale]))
        expected["rmse", scale, "baseline_mean"] = np.sqrt(mean_squared_error(*pair))
        expected["mae", scale, "baseline_mean"] = mean_absolute_error(*pair)
        expected["r2", scale, "baseline_mean"] = r2_score(*pair)
    found = {
        (metric, scale, split): value
        for metric, scale, split, value in synthetic_warehouse.query(
            """
            select metric, scale, split, value from ml.model_metrics
            join ml.model_runs using (run_id) where serving and model = 'playlist_popularity' and candidate is null
            """
        )
    }
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)

    importances = dict(
        synthetic_warehouse.query(
            "select feature, importance from insights.feature_importances where method = 'impurity'"
        )
    )
    assert importances == pytest.approx(dict(zip(FEATURES, forest.feature_importances_, strict=True)), abs=1e-12)


def test_the_champion_is_the_best_on_log_scale_or_the_one_that_it_does_not_beat_clearly(
    synthetic_warehouse: Warehouse,
) -> None:
    errors = {
        candidate: (value, spread, is_champion)
        for candidate, value, spread, is_champion in synthetic_warehouse.query(
            """
            select candidate, metric_value, spread, is_champion from insights.model_candidates
            where is_serving and model_name = 'playlist_popularity' and metric = 'rmse' and scale = 'log1p'
            """
        )
    }
    assert {"specified_forest", "constant_mean", "constant_median", "constant_one"} <= errors.keys()
    [(champion_error, *_)] = [found for found in errors.values() if found[2]]
    assert champion_error <= errors["specified_forest"][0]


def test_intervals_hold_as_often_as_they_say_and_confidence_is_what_happens(synthetic_warehouse: Warehouse) -> None:
    [(coverage, width, constant_width, said, happened)] = synthetic_warehouse.query(
        """
        select
            avg((num_followers between predicted_low and predicted_high)::integer)::float8,
            avg(predicted_high - predicted_low)::float8,
            (
                select value from ml.model_metrics inner join ml.model_runs using (run_id)
                where serving and candidate = 'constant_interval' and metric = 'interval_width'
                    and split = 'test'
            ),
            avg(playlists.confidence_score),
            avg(
                (num_followers between playlists.predicted_followers / 2 and 2 * playlists.predicted_followers)::integer
            )::float8
        from marts.playlists
        inner join ml.playlist_predictions as predictions using (pid)
        where predictions.is_held_out
        """
    )
    assert coverage >= 0.79
    assert width <= constant_width
    assert said == pytest.approx(happened, abs=0.05)


def test_errors_by_band_and_calibration_are_those_of_the_held_out_playlists(synthetic_warehouse: Warehouse) -> None:
    held_out = pd.DataFrame(
        synthetic_warehouse.rows(
            """
            select playlists.* from marts.playlists as playlists
            inner join ml.playlist_predictions as predictions using (pid)
            where predictions.is_held_out
            """
        )
    )
    ratio = held_out["predicted_followers"] / held_out["num_followers"]
    bands = {
        row["follower_band"]: row for row in synthetic_warehouse.rows("select * from insights.prediction_residuals")
    }
    assert bands.keys() == set(held_out["follower_band"])
    for name, band in bands.items():
        members = ratio[held_out["follower_band"] == name]
        assert band["num_playlists"] == len(members)
        found = [band[f"{part}_ratio"] for part in ("lower_quartile", "median", "upper_quartile")]
        assert found == pytest.approx(list(members.quantile([0.25, 0.5, 0.75])), rel=1e-12)
        assert band["too_low_pct"] == pytest.approx(100 * (members < 0.5).mean())
        assert band["too_high_pct"] == pytest.approx(100 * (members > 2).mean())

    in_order = held_out.sort_values(["predicted_followers", "pid"])
    stated = synthetic_warehouse.rows("select * from insights.prediction_calibration where is_serving order by tenth")
    intervals = [row for row in stated if row["statement"] == "interval"]
    assert [row["tenth"] for row in intervals] == [*range(1, 11), None]
    assert {row["stated_share"] for row in intervals} == {0.8}
    for row, rows in zip(intervals, [*np.array_split(np.arange(len(in_order)), 10), slice(None)], strict=True):
        part = in_order.iloc[rows]
        covered = part["num_followers"].between(part["predicted_low"], part["predicted_high"]).mean()
        assert row["observed_share"] == pytest.approx(covered)
        assert row["avg_width"] == pytest.approx((part["predicted_high"] - part["predicted_low"]).mean())
        if row["tenth"]:
            assert row["avg_predicted_followers"] == pytest.approx(part["predicted_followers"].mean())
            assert row["avg_followers"] == pytest.approx(part["num_followers"].mean())
    [confidence] = [row for row in stated if row["statement"] == "confidence" and row["tenth"] is None]
    assert confidence["stated_share"] == pytest.approx(held_out["confidence_score"].mean())
    assert confidence["observed_share"] == pytest.approx(ratio.between(0.5, 2).mean())


def test_a_first_training_has_changed_nothing(synthetic_warehouse: Warehouse) -> None:
    for relation in ("training_changes", "metric_changes", "prediction_changes", "cluster_changes"):
        assert synthetic_warehouse.query(f"select * from insights.{relation}") == []


def test_clusters_agree_with_scikit_learn_on_the_features(synthetic_warehouse: Warehouse) -> None:
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, silhouette_score
    from sklearn.preprocessing import StandardScaler

    rows = synthetic_warehouse.rows('select * from features.artist_features order by artist_uri collate "C"')
    frame = pd.DataFrame(rows).set_index("artist_uri")
    columns = ["playlist_appearances", "avg_followers", "track_count", "followers_per_playlist", "tracks_per_playlist"]
    scaled = StandardScaler().fit_transform(frame[columns].astype(float))
    model = KMeans(n_clusters=5, n_init=10, random_state=42).fit(scaled)
    expected = model.labels_
    published = dict(synthetic_warehouse.query("select artist_uri, cluster_id from marts.artists"))
    [(champion,)] = synthetic_warehouse.query(
        "select champion from ml.model_runs where serving and model = 'artist_trends'"
    )
    agreement = adjusted_rand_score(expected, [published[name] for name in frame.index])
    assert (agreement == pytest.approx(1)) == (champion == "specified")
    metrics = dict(
        synthetic_warehouse.query(
            "select metric, value from ml.model_metrics join ml.model_runs using (run_id)"
            " where model = 'artist_trends' and candidate is null"
        )
    )
    silhouette = silhouette_score(scaled, expected, sample_size=min(10_000, len(scaled)), random_state=42)
    assert metrics["inertia"] == pytest.approx(model.inertia_)
    assert metrics["silhouette"] == pytest.approx(silhouette)
    assert 0 < metrics["stability"] <= 1
    profiles = synthetic_warehouse.query("select cluster_name, num_artists from insights.cluster_profiles")
    assert sum(size for _, size in profiles) == len(frame)
    assert len({name for name, _ in profiles}) == len(set(published.values()))


def test_groups_are_contrasted_as_an_independent_count_says(synthetic_warehouse: Warehouse) -> None:
    """The rules, written a second time in pandas over the marts, with the thresholds of the seeds."""
    frame = pd.DataFrame(synthetic_warehouse.rows("select * from marts.playlists"))
    frame["artists"] = frame.num_artists / frame.num_tracks
    frame["duration"] = frame.duration_ms / frame.num_tracks
    frame["log"] = np.log1p(frame.num_followers)
    bands = dict(synthetic_warehouse.query("select min_tracks, length_band from intermediate.length_bands order by 1"))
    names = [band for band in bands.values() if (frame.length_band == band).any()]
    expected = {}
    for place, band in enumerate(names):
        group = frame[frame.length_band == band]
        artists, duration = group.artists.median(), group.duration.median()
        usual = group.duration.between(0.8 * duration, 1.2 * duration)
        sides = {
            "few_artists": (group.log[group.artists < 0.8 * artists], group.log[group.artists >= artists]),
            "long_tracks": (group.log[group.duration > 1.2 * duration], group.log[usual]),
            "short_tracks": (group.log[group.duration < 0.8 * duration], group.log[usual]),
            "collaborative": (group.log[group.collaborative], group.log[~group.collaborative]),
            "no_description": (group.log[~group.has_description], group.log[group.has_description]),
            "repeated_tracks": (group.log[group.duplicate_tracks > 0], group.log[group.duplicate_tracks == 0]),
        }
        if place + 1 < len(names):
            sides["nearly_longer"] = group.log, frame.log[frame.length_band == names[place + 1]]
        if place > 0:
            sides["nearly_shorter"] = group.log, frame.log[frame.length_band == names[place - 1]]
        for weakness, (weak, others) in sides.items():
            known: tuple[Any, ...] = None, None, "none"
            if min(len(weak), len(others)) >= 30:
                gain = others.mean() - weak.mean()
                error = np.sqrt(weak.var() / len(weak) + others.var() / len(others))
                known = gain, error, "against" if gain <= 0 else "clear" if gain >= 3 * error else "unclear"
            if len(weak):
                expected[f"playlists of {band} tracks", weakness] = (len(weak), len(others), *known)
    found = {
        (group, weakness): tuple(values)
        for group, weakness, *values in synthetic_warehouse.query(
            """
            select
                comparable_group, weakness, weak_playlists, other_playlists, expected_gain, gain_standard_error,
                evidence
            from intermediate.int_playlist_groups_contrasted
            join intermediate.int_playlist_groups_profiled using (comparable_group)
            where genre is null
            """
        )
    }
    assert found.keys() == expected.keys()
    assert {evidence for *_, evidence in found.values()} >= {"against", "unclear", "none"}
    for key, (weak_playlists, other_playlists, gain, error, evidence) in expected.items():
        assert found[key] == (
            weak_playlists,
            other_playlists,
            gain and pytest.approx(gain, abs=1e-6),
            error and pytest.approx(error, abs=1e-6),
            evidence,
        ), key


def test_placements_equal_an_independent_count(synthetic_warehouse: Warehouse, playlists: list[dict[str, Any]]) -> None:
    expected: dict[str, list[float]] = {}
    for playlist in playlists:
        length = len(playlist["tracks"])
        for pos, track in enumerate(playlist["tracks"]):
            counted = expected.setdefault(track["track_uri"], [0, 0, 0, 0, 0.0, float("inf"), 0])
            counted[0] += 1
            counted[1] += pos < 10
            counted[2] += length < 30
            counted[3] += length >= 100
            counted[4] += pos / max(length - 1, 1)
            counted[5] = min(counted[5], playlist["modified_at"])
            counted[6] = max(counted[6], playlist["modified_at"])
    found = synthetic_warehouse.query(
        """
        select
            track_uri, placements, first_ten_placements, short_list_placements, long_list_placements,
            positions_millionths / 1e6, extract(epoch from first_seen_at), extract(epoch from last_seen_at)
        from intermediate.int_track_placements_counted
        join marts.tracks using (track_id)
        """
    )
    assert len(found) == len(expected)
    for uri, *counted in found:
        assert [float(value) for value in counted] == pytest.approx(expected[uri], abs=1e-3), uri
    enough = {uri for uri, counted in expected.items() if counted[0] >= 50}
    assert enough
    assert {uri for (uri,) in synthetic_warehouse.query("select track_uri from insights.track_journeys")} == enough


def test_running_again_is_quick_and_changes_nothing(synthetic_warehouse: Warehouse, synthetic_slices: Path) -> None:
    tables = (
        "staging.slices",
        "staging.playlists",
        "ml.model_runs",
        "ml.playlist_predictions",
        "ops.builds",
        "marts.artists",
    )
    states = "select " + ", ".join(
        f"(select md5(string_agg(t::text, ',' order by t::text)) from {name} t)" for name in tables
    )
    oids = "select string_agg(oid::text, ',' order by oid) from pg_class where relkind in ('r', 'v')"
    before = synthetic_warehouse.query(states), synthetic_warehouse.query(oids)
    again = synthetic_warehouse.run("mixhouse", "run", synthetic_slices)
    assert "Everything is up to date" in again.stdout
    assert (synthetic_warehouse.query(states), synthetic_warehouse.query(oids)) == before


def test_a_dropped_mart_is_built_again(synthetic_warehouse: Warehouse) -> None:
    with synthetic_warehouse.connect() as connection:
        connection.execute("drop table insights.overview")
    assert "Built and tested" in synthetic_warehouse.run("mixhouse", "build").stdout
    assert synthetic_warehouse.query("select playlists from insights.overview") == [(10_000,)]
    # The features did not change, so the models were not trained again.
    assert synthetic_warehouse.query("select count(*) from ml.model_runs") == [(2,)]


def test_the_summary_names_what_people_look_for(synthetic_warehouse: Warehouse) -> None:
    shown = synthetic_warehouse.run("mixhouse", "status").stdout
    for words in (
        "10,000 playlists",
        "RMSE",
        "always the mean",
        "silhouette",
        "Playlists worth improving",
        "Emerging",
        "Next",
    ):
        assert words in shown, words
    assert "they say nothing about music" in shown


def test_the_report_is_one_file_and_the_same_for_the_same_data(synthetic_warehouse: Warehouse, tmp_path: Path) -> None:
    first, second = tmp_path / "first.html", tmp_path / "second.html"
    synthetic_warehouse.run("mixhouse", "report", "--output", first)
    synthetic_warehouse.run("mixhouse", "report", "--output", second)
    assert first.read_bytes() == second.read_bytes()
    page = first.read_text(encoding="utf-8")
    assert "Plotly.newPlot" in page
    for part in ("interval_coverage", "confidence_calibration", "residuals_by_band", "permutation_importance"):
        assert f'id="figure-{part}"' in page
    assert page.count("There is no earlier training whose results are kept") == 2
    assert 'src="http' not in page
    assert "<link" not in page


def test_the_dbt_docs_are_one_file_with_the_whole_lineage(synthetic_warehouse: Warehouse, tmp_path: Path) -> None:
    target = tmp_path / "docs.html"
    synthetic_warehouse.run("mixhouse", "docs", "--output", target)
    page = target.read_text(encoding="utf-8")
    for node in (
        "source.mixhouse.mpd.playlists",
        "source.mixhouse.ml.serving_predictions",
        "playlist_recommendations",
    ):
        assert node in page
