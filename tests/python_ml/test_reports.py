import json
import re
from datetime import date
from html.parser import HTMLParser

import pandas as pd
import pytest

from python_ml import charts, reports
from python_ml.model_manager import train_all as train
from python_ml.reports import write_report
from warehouse.database import connect

HOSTILE = "</script><script>alert(1)</script><b>&amp;"


class Page(HTMLParser):
    """The page as a browser takes it apart: elements, text outside scripts, and what scripts hold."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.figures: dict[str, str] = {}
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.text = re.sub(r"\s+", " ", " ".join(self.texts))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.open.append(self.elements[-1])

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self.open.pop()

    def handle_data(self, data):
        if not self.open:
            self.texts.append(data)
        elif self.open[-1][1].get("type") == "application/json":
            name = self.open[-1][1]["id"]
            self.figures[name] = self.figures.get(name, "") + data


@pytest.fixture
def trained(connection, store, playlists, artists):
    store(connection, playlists, artists)
    connection.autocommit = True
    train(connect, trigger="demand")
    return connection


def report(connection, path):
    return Page(write_report(connection, path / "report.html").read_text(encoding="utf-8"))


def add_names(connection, name):
    connection.execute("create schema marts")
    connection.execute(
        "create table marts.playlists as select pid, %s::text as name from features.playlist_features", [name]
    )
    connection.execute(
        "create table marts.artists as select artist_uri, %s::text as artist_name from features.artist_features", [name]
    )


def add_insights(connection, name):
    connection.execute("create schema insights")
    connection.execute(
        "create table insights.playlist_recommendations as select 7 as pid, %(name)s::text as name,"
        " 'add_diverse_artists' as recommendation, 'add artists' as action, 3.5::numeric as current_value,"
        " 12345 as suggested_value, 'artists' as unit, null::float8 as expected_gain_pct, 0::float8 as priority_score,"
        " 0::float8 as log_gap, %(name)s::text as reason",
        {"name": name},
    )
    connection.execute(
        "create table insights.artist_recommendations as select 'a' as artist_uri, %(name)s::text as artist_name,"
        " 'emerging' as recommendation, 0.25::float8 as score, %(name)s::text as reason",
        {"name": name},
    )
    connection.execute(
        "create table insights.cluster_profiles as select number as cluster_id, %s || number::text as cluster_name"
        " from generate_series(0, 4) as number",
        [name],
    )


def load_slice(connection, version):
    connection.execute(
        "insert into staging.slices (source, outcome, info, started_at, finished_at)"
        " values ('a.json', 'landed', %s, now(), now())",
        [json.dumps({"version": version})],
    )


def land_playlists(connection, slices_by_pid):
    for pid, slice_id in slices_by_pid.items():
        connection.execute(
            "insert into staging.playlists values (%s, %s, 0, now(), null, false, 0, 1, 1, 1, 1, 1, 1, 'a', null,"
            " '{a}', '{a}', '{a}', '{a}', '{a}', '{a}', '{1}', null)",
            [pid, slice_id],
        )


def test_an_empty_database_gives_a_report_that_says_what_to_do(connection, tmp_path):
    page = report(connection, tmp_path)
    for sentence in (
        "Nothing has been loaded yet. Run mixhouse run PATH",
        "No popularity model has been trained yet. Run mixhouse train",
        "No artist model has been trained yet. Run mixhouse train",
        "no recommendations for playlists yet",
        "no recommendations for artists yet",
    ):
        assert sentence in page.text
    assert page.figures == {}
    assert "synthetic" not in page.text


def test_a_trained_database_gives_every_chart_and_the_measured_numbers(trained, tmp_path):
    page = report(trained, tmp_path)
    assert set(page.figures) == {
        "figure-feature_importance",
        "figure-predicted_against_actual",
        "figure-cluster_sizes",
        "figure-artist_map",
    }
    assert all(json.loads(figure)["data"] for figure in page.figures.values())
    for metric, scale, split in (("rmse", "raw", "test"), ("r2", "log1p", "test"), ("mae", "raw", "baseline_median")):
        (value,) = trained.execute(
            "select value from ml.model_metrics where metric = %s and scale = %s and split = %s", [metric, scale, split]
        ).fetchone()
        assert f" {reports.format_measure(value)} " in page.text
    assert "60 of 60 held-out playlists" in page.text
    assert "150 of 150 artists" in page.text


def test_each_chart_has_a_place_and_a_description(trained, tmp_path):
    page = report(trained, tmp_path)
    places = [attributes for _, attributes in page.elements if attributes.get("class") == "chart"]
    assert {place["data-figure"] for place in places} == set(page.figures)
    assert all(place["aria-label"] for place in places)


def test_targets_are_shown_with_whether_they_are_met(trained, tmp_path):
    trained.execute("create schema insights")
    trained.execute(
        """
        create table insights.model_performance as
        select run_id, metric, scale, 'test' as split, target_value, is_target_met
        from ml.model_runs,
            (values ('rmse', 'raw', 0.3, true), ('rmse', 'log1p', 0.3, false), ('r2', 'raw', 0.7, false),
                ('r2', 'log1p', 0.7, true), ('mae', 'raw', null, null))
            as target (metric, scale, target_value, is_target_met)
        where model = 'playlist_popularity'
        """
    )
    row = re.search(r"Target of the source report ([\d. notme]+)", report(trained, tmp_path).text)
    assert row[1].split() == ["0.300", "met", "0.700", "not", "met", "0.300", "not", "met", "0.700", "met"]


def test_the_scatter_shows_the_held_out_playlists_and_no_others(trained, tmp_path):
    held_out = dict(
        trained.execute(
            "select pid::text, predicted_followers from ml.playlist_predictions where is_held_out"
        ).fetchall()
    )
    trained.execute("create schema marts")
    trained.execute("create table marts.playlists as select pid, pid::text as name from features.playlist_features")
    figure = json.loads(report(trained, tmp_path).figures["figure-predicted_against_actual"])
    assert sorted(figure["data"][1]["text"]) == sorted(held_out)


def test_the_same_database_gives_the_same_file(trained, tmp_path):
    assert (
        write_report(trained, tmp_path / "first.html").read_bytes()
        == write_report(trained, tmp_path / "second.html").read_bytes()
    )


def test_counts_of_what_was_loaded_are_shown(trained, tmp_path):
    load_slice(trained, "v1")
    land_playlists(trained, {1: 1, 2: 1})
    trained.execute("create schema marts")
    trained.execute("create table marts.tracks as select generate_series(1, 1234)")
    page = report(trained, tmp_path)
    for tile in ("1 slices landed", "0 slices refused", "2 playlists landed", "0 playlists refused", "1,234 tracks"):
        assert tile in page.text


@pytest.mark.parametrize(("version", "is_noted"), [("synthetic-1", True), ("v1", False)])
def test_synthetic_data_is_called_synthetic_and_other_data_is_not(connection, tmp_path, version, is_noted):
    load_slice(connection, version)
    land_playlists(connection, {1: 1})
    assert ("This data is synthetic" in report(connection, tmp_path).text) == is_noted
    assert ("It proves plumbing, not insight" in report(connection, tmp_path).text) == is_noted


def test_synthetic_playlists_among_others_are_counted_until_they_are_replaced(connection, tmp_path):
    load_slice(connection, "synthetic-1")
    load_slice(connection, "v1")
    land_playlists(connection, {1: 1, 2: 2})
    assert "1 of 2 playlists are synthetic" in report(connection, tmp_path).text
    connection.execute("update staging.playlists set superseded_at = now() where slice_id = 1")
    assert "synthetic" not in report(connection, tmp_path).text


def test_recommendations_and_cluster_names_are_shown_where_they_exist(trained, tmp_path):
    add_insights(trained, "late-night jazz ")
    page = report(trained, tmp_path)
    assert "late-night jazz 7 add artists 3.5 artists 12,345 artists - late-night jazz" in page.text
    assert "late-night jazz emerging 0.25 late-night jazz" in page.text
    assert "late-night jazz 0" in page.text
    assert "There are no recommendations" not in page.text


def test_only_the_first_of_each_kind_of_recommendation_are_shown(trained, tmp_path):
    add_insights(trained, "first")
    trained.execute(
        "insert into insights.artist_recommendations"
        " select 'b' || number, 'no ' || number || ';', 'emerging', -number, '' from generate_series(1, 9) as number"
    )
    page = report(trained, tmp_path)
    assert "no 4;" in page.text
    assert "no 5;" not in page.text


def test_hostile_names_are_shown_as_they_are_and_run_nothing(trained, tmp_path):
    plain = [tag for tag, _ in report(trained, tmp_path).elements if tag in ("script", "b")]
    add_names(trained, HOSTILE)
    add_insights(trained, HOSTILE)
    page = report(trained, tmp_path)
    assert [tag for tag, _ in page.elements if tag in ("script", "b")] == plain
    assert plain.count("script") == 6
    assert HOSTILE in page.text
    hover = json.loads(page.figures["figure-artist_map"])["data"][0]["text"][0]
    assert hover == "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;b&gt;&amp;amp;"
    assert json.loads(page.figures["figure-predicted_against_actual"])["data"][1]["text"][0] == hover


def test_nothing_is_fetched_and_only_our_two_scripts_may_run(trained, tmp_path):
    html = write_report(trained, tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert not [attributes for _, attributes in page.elements if {"src", "href"} & set(attributes)]
    (policy,) = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "script-src 'sha256-" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2]
    for script in re.findall(r"<script>(.*?)</script>", html, re.DOTALL):
        assert reports._content_hash(script) in policy


def test_a_failed_last_attempt_is_shown_beside_the_results_that_serve(trained, tmp_path):
    trained.execute("update features.playlist_features set duration_ms = null where pid = 3")
    train(connect, trigger="demand")
    page = report(trained, tmp_path)
    assert re.search(r"The last attempt, run 3 of .* UTC, failed: features\.playlist_features\.duration_ms", page.text)
    assert "How good the predictions are" in page.text


def test_a_first_attempt_that_failed_is_explained(connection, store, playlists, artists, tmp_path):
    store(connection, playlists.head(4), artists)
    train(connect, trigger="demand")
    page = report(connection, tmp_path)
    assert "there are 4;" in page.text
    assert "No popularity model has been trained yet" in page.text


def test_results_whose_features_are_gone_are_still_reported(trained, tmp_path):
    trained.execute("drop schema features cascade")
    page = report(trained, tmp_path)
    assert "How good the predictions are" in page.text
    assert set(page.figures) == {"figure-feature_importance"}
    assert "no longer there" in page.text


def test_constant_data_can_be_reported(connection, store, playlists, artists, tmp_path):
    store(connection, playlists.assign(num_followers=1.0), artists.drop_duplicates("planted"))
    train(connect, trigger="demand")
    page = report(connection, tmp_path)
    assert "the model is as good as that" in page.text
    assert len(page.figures) == 4


def test_the_report_replaces_the_one_before_and_leaves_no_draft(connection, tmp_path):
    path = tmp_path / "new folder" / "latest.html"
    assert write_report(connection, path) == path
    path.write_text("old")
    write_report(connection, path)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [file.name for file in path.parent.iterdir()] == ["latest.html"]


def test_a_report_that_cannot_be_put_there_leaves_no_draft(connection, tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_report(connection, tmp_path / "taken")
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12345, "12,345"),
        (1234.56, "1,235"),
        (123.45, "123.5"),
        (17.0, "17"),
        (3.14159, "3.14"),
        (0.00421, "0.00421"),
        (-2.5, "-2.5"),
        (None, "-"),
        (float("nan"), "-"),
        ("as it is", "as it is"),
        (True, "True"),
    ],
)
def test_numbers_are_written_for_people(value, text):
    assert reports.format_number(value) == text


@pytest.mark.parametrize(
    ("model", "constant", "words"),
    [(1.0, 2.0, "50% better"), (3.0, 2.0, "50% worse"), (2.0, 2.0, "about as good"), (1.0, 0.0, "worse than that")],
)
def test_the_verdict_compares_the_model_with_the_best_constant(model, constant, words):
    metrics = verdict_metrics(r2_train=0.0) | {("rmse", scale, "test"): model for scale in ("raw", "log1p")}
    for number, baseline in enumerate(("median", "mean", "one")):
        metrics |= {("rmse", scale, f"baseline_{baseline}"): constant + number for scale in ("raw", "log1p")}
    sentences = reports.popularity_verdict(metrics)
    assert "always the median" in sentences[0]
    assert words in sentences[0]
    assert words in sentences[1]
    assert "explains nothing" in sentences[2]
    assert len(sentences) == 3


def test_a_model_that_learned_by_heart_is_called_out():
    sentences = reports.popularity_verdict(verdict_metrics(r2_train=0.9))
    assert "R² is 0.900 on the playlists it was fitted on and -0.200 on the others" in sentences[3]


def verdict_metrics(r2_train):
    splits = ("test", "baseline_mean", "baseline_median", "baseline_one")
    return {("rmse", scale, split): 1.0 for scale in ("raw", "log1p") for split in splits} | {
        ("r2", "raw", "train"): r2_train,
        ("r2", "raw", "test"): -0.2,
        ("r2", "log1p", "test"): -0.2,
    }


def test_rounding_makes_neither_a_negative_zero_nor_an_empty_share():
    assert reports.format_measure(-0.0001) == "0.000"
    assert [reports.format_share(share) for share in (0.0, 0.0001, 0.142)] == ["0.0%", "<0.1%", "14.2%"]


def test_features_are_named_in_words():
    assert charts.feature_label("avg_track_duration") == "Average track duration"
    assert charts.feature_label("num_tracks") == "Number of tracks"
    assert charts.feature_label("duration_ms") == "Duration"


def test_importances_are_drawn_with_the_greatest_on_top():
    figure = charts.feature_importance(pd.Series({"num_tracks": 0.2, "duration_ms": 0.7, "collaborative": 0.1}))
    assert list(figure.data[0].y) == ["Collaborative", "Number of tracks", "Duration"]
    assert list(figure.data[0].text) == ["10.0%", "20.0%", "70.0%"]


def test_lines_over_months_are_in_the_order_that_they_are_given_in() -> None:
    figure = charts.shares_by_month(
        pd.DataFrame(
            {
                "name": ["<b>rock", "<b>rock", "folk"],
                "month": [date(2017, 9, 1), date(2017, 10, 1), date(2017, 10, 1)],
                "share_pct": [1.0, 2.0, 0.5],
                "playlists": [10, 20, 5],
            }
        )
    )
    assert [trace.name for trace in figure.data] == ["&lt;b&gt;rock", "folk"]
    assert list(figure.data[0].y) == [1.0, 2.0]
    assert len({trace.line.color for trace in figure.data}) == 2


def test_months_of_an_artist_stand_beside_what_was_expected() -> None:
    months = pd.DataFrame(
        {
            "month": [date(2017, 9, 1), date(2017, 10, 1)],
            "playlists": [4, 9],
            "expected_playlists": [5.5, 4.5],
            "month_playlists": [100, 200],
        }
    )
    bars, expected = charts.appearances_by_month(months).data
    assert (list(bars.y), list(expected.y)) == ([4, 9], [5.5, 4.5])


def test_changes_have_the_largest_rise_at_the_top_and_colour_where_it_is_no_chance() -> None:
    figure = charts.changes(
        pd.DataFrame(
            {
                "name": ["a", "b", "c"],
                "change_pct": [10.0, 80.0, -30.0],
                "direction": ["steady", "rising", "falling"],
            }
        )
    )
    [bars] = figure.data
    assert list(bars.y) == ["c", "a", "b"]  # Plotly draws from below
    assert list(bars.text) == ["-30 %", "+10 %", "+80 %"]
    assert bars.marker.color[2] == charts.ACCENT
    assert len(set(bars.marker.color)) == 3


def test_a_feature_that_helps_when_shuffled_has_its_number_and_no_bar() -> None:
    [bars] = charts.permutation_importance(pd.Series({"num_edits": 0.0065, "genre_number": -0.0012})).data
    assert list(bars.y) == ["Genre number", "Number of edits"]
    assert list(bars.x) == [0, 0.0065]
    assert list(bars.text) == ["-0.0012", "0.0065"]


def test_a_prediction_stands_beside_its_interval_and_what_became_of_it() -> None:
    interval, predicted, actual = charts.prediction(2.5, (1, 4), 40).data
    assert (list(interval.x), list(predicted.x), list(actual.x)) == ([1, 4], [2.5], [40])
    # A playlist may have no follower, which a logarithm cannot place.
    figure = charts.prediction(1.2, (1, 1), 0)
    assert figure.data[2].x[0] == 0.8
    assert figure.data[2].customdata[0] == 0
    assert 10 ** figure.layout.xaxis.range[0] < 0.8
    assert len(charts.prediction(1.2, (1, 1)).data) == 2
