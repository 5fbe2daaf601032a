import json
import re
from datetime import date
from html.parser import HTMLParser

import pandas as pd
import pytest

from python_ml import charts, reports
from python_ml.model_manager import train_all as train
from python_ml.reports import write_report, write_reports
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


def add_calibration(connection, run_id=1):
    """What `insights` says of a run: intervals short of what they state in the last tenth, large playlists too low."""
    connection.execute("create schema if not exists insights")
    connection.execute(
        """
        create table insights.prediction_calibration as
        select
            %s::bigint as run_id, statement, tenth,
            case statement when 'interval' then 0.8 else 0.05 + tenth / 12.0 end::float8 as stated_share,
            case when tenth = 10 then 0.75 else 0.85 end::float8 as observed_share,
            0.77::float8 as observed_share_one_less, 1.5::float8 as avg_width, 0.95::float8 as constant_observed_share,
            7.25::float8 as constant_width, 2.5::float8 as avg_predicted_followers, 3.5::float8 as avg_followers
        from unnest(array['interval', 'confidence']) as statement,
            (select generate_series(1, 10) as tenth union all select null) as tenths
        """,
        [run_id],
    )
    connection.execute(
        """
        create table insights.prediction_residuals as
        select
            %s::bigint as run_id, follower_band, min_followers, max_followers, 1234 as num_playlists,
            share as share_of_playlists_pct, 1.5::float8 as median_predicted_followers,
            ratio / 2 as lower_quartile_ratio, ratio as median_ratio, ratio * 2 as upper_quartile_ratio,
            10::float8 as too_low_pct, 20::float8 as within_factor_two_pct, 70::float8 as too_high_pct,
            30::float8 as in_interval_pct, usual_error
        from (
            values ('1', 1, 1, 75::float8, 1.25::float8, 'within a factor of two'), ('2', 2, 2, 20, 0.75, 'too low'),
                ('3+', 3, 2147483647, 5, 0.125, 'too low')
        ) as bands (follower_band, min_followers, max_followers, share, ratio, usual_error)
        """,
        [run_id],
    )


def add_changes(connection, name, run_id=3, previous_run_id=1):
    """What `insights` says of two trainings of each model."""
    connection.execute("create schema if not exists insights")
    parameters = {"run": run_id, "artists": run_id + 1, "previous": previous_run_id, "name": name}
    for statement in (
        """
        create table insights.training_changes as
        select
            model_name, run_id::bigint, %(previous)s::bigint as previous_run_id, champion, previous_champion,
            1300::bigint as rows_read, 1000::bigint as previous_rows_read, 990::bigint as rows_in_both,
            310::bigint as rows_added, 10::bigint as rows_gone, 99::bigint as rows_moved, moved_up as rows_moved_up,
            99 - moved_up as rows_moved_down, 1.1::float8 as moved_ratio, now() as finished_at,
            now() as previous_finished_at
        from (
            values ('playlist_popularity', %(run)s, 'two_part', 'specified_forest', 60),
                ('artist_trends', %(artists)s, 'log_scaled', 'log_scaled', null)
        ) as models (model_name, run_id, champion, previous_champion, moved_up)
        """,
        """
        create table insights.metric_changes as
        select
            %(run)s::bigint as run_id, 'rmse' as metric, 'log1p' as scale, 0.5::float8 as previous_metric_value,
            0.25::float8 as metric_value, -0.25::float8 as change, 0.0625::float8 as spread, true as is_beyond_chance
        """,
        """
        create table insights.feature_importances as
        select
            %(run)s::bigint as run_id, 'permutation' as method, 'num_edits' as feature,
            0.0123::float8 as previous_importance, 0.0456::float8 as importance
        """,
        """
        create table insights.prediction_changes as
        select
            %(run)s::bigint as run_id, number as pid, %(name)s || number as name, 7 as num_followers,
            2.125::float8 as previous_predicted_followers, 8.5::float8 as predicted_followers,
            4::float8 as predicted_ratio, number as change_rank
        from generate_series(1, 11) as number
        """,
        """
        create table insights.cluster_changes as
        select
            %(artists)s::bigint as run_id, previous as previous_cluster_id, 1 as cluster_id,
            nullif(%(name)s || 'from' || previous, %(name)s || 'from5') as previous_cluster_name,
            %(name)s || 'to' as cluster_name, previous != 1 as is_move, 40 + previous as num_artists,
            25::float8 as share_of_previous_pct
        from unnest(array[0, 1, 5]) as previous
        """,
    ):
        connection.execute(statement, parameters)


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
        "figure-permutation_importance",
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


def test_calibration_and_residuals_are_drawn_and_said_in_words(trained, tmp_path):
    add_calibration(trained)
    page = report(trained, tmp_path)
    for name in ("interval_coverage", "confidence_calibration", "residuals_by_band"):
        assert json.loads(page.figures[f"figure-{name}"])["data"]
    for sentence in (
        "held the actual followers of 85.0% of the held-out playlists, where it says 80.0%",
        "one follower less in each interval would have covered 77.0%",
        "1.500 followers wide on average; the best one that is the same for all, with a coverage of 95.0%, is 7.250",
        "75.0% to 85.0% of each tenth are covered: tenth 10 falls short of the stated 80%",
        "Playlists with 1 follower (75.0% of those held out) are mostly predicted within a factor of two.",
        "Playlists with 2 or more followers (25.0% of those held out) are mostly predicted too low",
        "3+ 1,234 5.0% 1.5 0.125 (0.0625 to 0.25) 10.0% 20.0% 70.0% 30.0%",
    ):
        assert sentence in page.text


def test_what_insights_say_of_another_run_is_not_shown(trained, tmp_path):
    add_calibration(trained, run_id=99)
    page = report(trained, tmp_path)
    assert "What the intervals of this run are worth has not been put together yet. Run mixhouse build" in page.text
    assert "were not put beside its predictions yet. Run mixhouse build" in page.text
    assert not {"figure-interval_coverage", "figure-residuals_by_band"} & set(page.figures)


def test_a_first_training_has_nothing_to_be_compared_with(trained, tmp_path):
    assert report(trained, tmp_path).text.count("There is no earlier training whose results are kept") == 2
    # Nor has one before which nothing succeeded, or of which nothing is left.
    trained.execute(
        "insert into ml.model_runs (run_id, model, trigger, status, params, library_versions) overriding system value"
        " values (-2, 'playlist_popularity', 'demand', 'failed', '{}', '{}'),"
        " (-1, 'playlist_popularity', 'demand', 'succeeded', '{}', '{}')"
    )
    assert report(trained, tmp_path).text.count("There is no earlier training whose results are kept") == 2


def test_a_second_training_is_compared_with_the_first_once_it_is_built_on(trained, tmp_path):
    train(connect, trigger="demand")
    assert report(trained, tmp_path).text.count("This training was not compared with the one before yet") == 2
    add_changes(trained, HOSTILE)
    page = report(trained, tmp_path)
    for words in (
        "Run 1 read 1,000 playlists, this one 1,300: 310 were added, 10 are gone.",
        "“Two parts: any follower, and how many” serves in the place of “Random forest, as specified”.",
        "went from 0.500 to 0.250, by more than chance makes of two held-out parts.",
        "RMSE, log1p 0.500 0.250 -0.250 0.062 yes",
        "99 (10.0%) have a prediction that moved by a factor of 1.1 or more: 60 up, 39 down",
        "Number of edits 0.0123 0.0456",
        f"{HOSTILE}10 10 2.125 8.500 4.000 7",
        "“Clusters on a log scale” serves, as it did then.",
        "Of the 990 artists in both, 99 (10.0%) are in another cluster now.",
        f"{HOSTILE}from0 {HOSTILE}to 40 25.0%",
        f"Cluster 5, gone {HOSTILE}to 45 25.0%",
    ):
        assert words in page.text, words
    assert f"{HOSTILE}11 11" not in page.text
    assert f"{HOSTILE}from1" not in page.text
    assert [tag for tag, _ in page.elements].count("script") == 7


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
    assert plain.count("script") == 7
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
    assert set(page.figures) == {"figure-feature_importance", "figure-permutation_importance"}
    assert "no longer there" in page.text


def test_constant_data_can_be_reported(connection, store, playlists, artists, tmp_path):
    store(connection, playlists.assign(num_followers=1.0), artists.drop_duplicates("planted"))
    train(connect, trigger="demand")
    page = report(connection, tmp_path)
    assert "the model is as good as that" in page.text
    assert len(page.figures) == 5


def test_the_report_replaces_the_one_before_and_leaves_no_draft(connection, tmp_path):
    path = tmp_path / "new folder" / "latest.html"
    assert write_report(connection, path) == path
    path.write_text("old")
    write_report(connection, path)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [file.name for file in path.parent.iterdir()] == ["latest.html"]


def test_there_is_one_report_a_run_and_the_latest(trained, tmp_path):
    first = write_reports(trained, tmp_path)
    assert first[0] == tmp_path / "latest.html"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d{6}Z-runs-1-2\.html", first[1].name)
    # Nothing was trained since, so it is the same report, with what was loaded in the meantime.
    load_slice(trained, "v1")
    assert write_reports(trained, tmp_path) == first
    assert first[0].read_bytes() == first[1].read_bytes()
    assert "1 slices landed" in Page(first[1].read_text(encoding="utf-8")).text

    trained.execute("update features.playlist_features set duration_ms = null where pid = 3")
    train(connect, trigger="demand")
    _, second = write_reports(trained, tmp_path)
    assert second.name.endswith("-runs-1-4.html")
    assert [file.name for file in sorted(tmp_path.iterdir())] == [first[1].name, second.name, "latest.html"]


def test_before_the_first_run_there_is_the_latest_report_only(connection, tmp_path):
    assert write_reports(connection, tmp_path) == (tmp_path / "latest.html", None)
    assert [file.name for file in tmp_path.iterdir()] == ["latest.html"]


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


def band(low, high, error, share=10.0):
    return {"min_followers": low, "max_followers": high, "usual_error": error, "share_of_playlists_pct": share}


def test_bands_with_the_same_error_are_told_together():
    assert reports.residuals_verdict(
        [
            band(1, 1, "too high"),
            band(2, 2, "too high"),
            band(3, 4, "mixed"),
            band(5, 9, "within a factor of two"),
            band(10, 99, "too low", 0.01),
        ]
    ) == [
        "Playlists with 1 or 2 followers (20.0% of those held out) are mostly predicted too high: they have less than "
        "half as many.",
        "Playlists with 3 or 4 followers (10.0% of those held out) are predicted too low, too high or about right, and "
        "none of it mostly.",
        "Playlists with 5 to 9 followers (10.0% of those held out) are mostly predicted within a factor of two.",
        "Playlists with 10 or more followers (<0.1% of those held out) are mostly predicted too low: they have more "
        "than twice as many.",
    ]


def tenths(stated, observed):
    return [
        {"tenth": number, "stated_share": said, "observed_share": happened}
        for number, (said, happened) in enumerate(zip(stated, observed, strict=True), start=1)
    ]


@pytest.mark.parametrize(
    ("observed", "words"),
    [
        ([0.8, 0.9], "at every level at least the stated 80%"),
        ([0.9, 0.7], "tenth 2 falls short"),
        ([0.7, 0.6, 0.9, 0.7], "tenths 1, 2 and 4 fall short"),
    ],
)
def test_levels_at_which_intervals_do_not_hold_are_named(observed, words):
    (sentence,) = reports.coverage_verdict(tenths([0.8] * len(observed), observed))
    assert words in sentence


def test_confidence_that_misleads_is_named_with_its_direction():
    (sentence,) = reports.confidence_verdict(tenths([0.5, 0.75], [0.5, 0.5]))
    assert "12.5 percentage points on average, and most in tenth 2, where it happened less often" in sentence
    (sentence,) = reports.confidence_verdict(tenths([0.5, 0.75], [0.75, 0.75]))
    assert "tenth 1, where it happened more often than stated by 25.0" in sentence


def test_a_change_within_the_noise_is_said_to_be_no_more_than_chance():
    changes = {"previous_run_id": 1, "champion": "two_part", "previous_champion": "two_part", "previous_rows_read": 9}
    changes |= {f"rows_{name}": 0 for name in ("read", "added", "gone", "in_both", "moved")}
    error = {"previous_metric_value": 0.5, "metric_value": 0.25, "is_beyond_chance": False}
    sentences = reports.changes_verdict(changes, error, "playlists")
    assert "from 0.500 to 0.250, which is no more than chance makes" in sentences[2]
    assert len(sentences) == 3


def test_a_feature_that_helps_nothing_has_a_number_and_no_bar():
    figure = charts.permutation_importance(pd.Series({"num_tracks": -0.00123, "duration_ms": 0.02}))
    assert list(figure.data[0].x) == [0, 0.02]
    assert list(figure.data[0].text) == ["-0.0012", "0.0200"]


def test_bands_are_drawn_from_the_fewest_followers_down_with_their_quartiles():
    bands = pd.DataFrame(
        {
            "follower_band": ["1", "10-99"],
            "num_playlists": [9, 1],
            "lower_quartile_ratio": [1.0, 0.01],
            "median_ratio": [1.5, 0.01],
            "upper_quartile_ratio": [4.0, 0.01],
        }
    )
    figure = charts.residuals_by_band(bands)
    bars, medians = figure.data
    assert list(bars.y) == list(medians.y) == ["1", "10-99"]
    assert (bars.base[0], bars.base[0] + bars.x[0]) == (1.0, 4.0)
    assert bars.x[1] > 0
    assert list(medians.x) == [1.5, 0.01]
    assert figure.layout.yaxis.type == "category"
    assert figure.layout.yaxis.autorange == "reversed"
    assert list(figure.layout.xaxis.ticktext) == ["0.01", "0.1", "0.5", "1", "2"]


def test_every_cluster_has_a_colour_of_its_own():
    from python_ml.artist_trends import CLUSTER_CHOICES

    assert len(set(charts.CLUSTER_COLOURS)) == len(charts.CLUSTER_COLOURS) >= max(CLUSTER_CHOICES)
