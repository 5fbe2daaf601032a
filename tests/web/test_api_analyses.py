"""The two analyses: their contract, field by field, and that what is predicted live is what is stored."""

from collections.abc import Callable
from typing import Any

import flask
import flask.testing
import pytest
from commands import Warehouse
from psycopg import sql

from python_ml import artist_trends, playlist_popularity
from web.predictions import playlist_features

Client = flask.testing.FlaskClient
NewApplication = Callable[..., flask.Flask]

METADATA = {
    "name": "Late Night Rock",
    "description": "Loud",
    "collaborative": "false",
    "num_tracks": 60,
    "num_artists": 40,
    "num_albums": 52,
    "duration_ms": 14_400_000,
    "num_edits": 12,
    "modified_at": 1_508_976_000,
}
METRICS = {"playlist_appearances": 12, "avg_followers": 4.5, "track_count": 7}


def metadata_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return what one would send of a playlist of the marts."""
    names = ("name", "description", "num_tracks", "num_artists", "num_albums", "duration_ms", "num_edits")
    return {name: row[name] for name in names} | {
        "collaborative": row["collaborative"],
        "modified_at": int(row["modified_at"].timestamp()),
    }


def test_a_playlist_of_the_database_is_answered_from_the_marts(client: Client, web_warehouse: Warehouse) -> None:
    [row] = web_warehouse.rows("select * from marts.playlists where pid = 7")
    [run] = web_warehouse.rows("select * from ml.model_runs where serving and model = 'playlist_popularity'")
    importances = web_warehouse.query(
        "select feature, importance from ml.feature_importances where method = 'permutation'"
    )

    answer = client.post("/analyze_playlist", json={"playlist_id": 7})

    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    found = answer.get_json()
    assert found.pop("predicted_at") == row["last_processed"].isoformat().replace("+00:00", "Z")
    assert found == {
        "predicted_followers": pytest.approx(row["predicted_followers"], abs=0),
        "feature_importance": dict(importances),
        "confidence_score": row["confidence_score"],
        "interval_low": row["predicted_low"],
        "interval_high": row["predicted_high"],
        "playlist_id": 7,
        "num_followers": row["num_followers"],
        "run_id": run["run_id"],
        "model": run["champion"],
        "source": "stored",
    }
    # The contract of W1, by type.
    assert isinstance(found["predicted_followers"], float)
    assert all(isinstance(value, float) for value in found["feature_importance"].values())
    assert isinstance(found["confidence_score"], float)
    assert 0 <= found["confidence_score"] <= 1


def test_a_playlist_that_is_not_in_the_database_is_predicted_by_its_metadata(client: Client) -> None:
    answer = client.post("/analyze_playlist", json={"metadata": METADATA})
    assert answer.status_code == 200
    found = answer.get_json()
    assert isinstance(found["predicted_followers"], float)
    assert found["predicted_followers"] >= 1
    assert set(found["feature_importance"]) <= set(playlist_popularity.ALL_FEATURES)
    assert found["feature_importance"]
    assert 0 <= found["confidence_score"] <= 1
    assert 1 <= found["interval_low"] <= found["interval_high"]
    assert (found["source"], found["playlist_id"], found["num_followers"]) == ("live", None, None)
    # Also as the dataset does not write it, and what may be left out.
    again = client.post("/analyze_playlist", json={"metadata": METADATA | {"collaborative": False}})
    assert again.get_json() == found
    few = {name: value for name, value in METADATA.items() if name.startswith(("name", "num_t", "num_a", "dur"))}
    assert client.post("/analyze_playlist", json={"metadata": few}).status_code == 200


def test_metadata_of_a_playlist_in_the_database_gives_what_is_stored(client: Client, web_warehouse: Warehouse) -> None:
    rows = web_warehouse.rows(
        "select * from marts.playlists where duplicate_tracks = 0 and num_artists = declared_num_artists"
        " order by pid limit 25"
    )
    assert len(rows) == 25
    for row in rows:
        found = client.post("/analyze_playlist", json={"metadata": metadata_of(row)}).get_json()
        assert found["predicted_followers"] == pytest.approx(row["predicted_followers"], rel=1e-12)
        assert (found["interval_low"], found["interval_high"]) == (row["predicted_low"], row["predicted_high"])
        assert found["confidence_score"] == pytest.approx(row["confidence_score"], rel=1e-12)


def test_features_of_metadata_are_those_of_the_feature_view(
    new_application: NewApplication, web_warehouse: Warehouse
) -> None:
    features = {row["pid"]: row for row in web_warehouse.rows("select * from features.playlist_features")}
    rows = web_warehouse.rows(
        "select * from marts.playlists where duplicate_tracks = 0 and num_artists = declared_num_artists order by pid"
    )
    assert len(rows) > 500
    assert len({features[row["pid"]]["genre_number"] for row in rows}) > 10
    with new_application(web_warehouse).app_context():
        for row in rows:
            expected = {name: features[row["pid"]][name] for name in playlist_popularity.ALL_FEATURES}
            assert playlist_features(**metadata_of(row)) == expected


def test_a_title_is_taken_for_the_same_by_the_function_as_by_the_models(web_warehouse: Warehouse) -> None:
    """Of every playlist, whatever it repeats, and of titles that are hard to read."""
    differing = web_warehouse.query(
        "select playlists.pid from marts.playlists inner join features.playlist_features as features using (pid)"
        " cross join lateral insights.title_features(playlists.name) as title"
        " where (title.normalised_title, title.title_words, title.title_length, title.genre_number)"
        " is distinct from (playlists.normalised_title, features.title_words, features.title_length,"
        " features.genre_number) or title.genre is distinct from playlists.genre"
    )
    assert differing == []
    [found] = web_warehouse.query("select * from insights.title_features('  LATE-Night \u2728 Rock!!')")
    assert (found[0], found[1], found[3:]) == ("late night rock", "rock", (3, 15))
    # Words that name a genre elsewhere.
    assert web_warehouse.query("select genre, genre_number from insights.title_features('Cross Country')") == [
        (None, 0)
    ]


def test_the_web_role_may_ask_for_a_title_and_read_no_seed(web_warehouse: Warehouse) -> None:
    with web_warehouse.connect() as connection:
        connection.execute("set role mixhouse_web")
        assert connection.execute("select genre from insights.title_features('rock')").fetchone() == ("rock",)
        row = connection.execute("select has_schema_privilege('intermediate', 'usage')").fetchone()
        assert row == (False,)


def test_an_artist_of_the_database_is_answered_from_the_marts(client: Client, web_warehouse: Warehouse) -> None:
    [row] = web_warehouse.rows("select * from marts.artists order by playlist_appearances desc, artist_uri limit 1")
    [profile] = web_warehouse.rows(f"select * from insights.cluster_profiles where cluster_id = {row['cluster_id']}")
    [run] = web_warehouse.rows("select * from ml.model_runs where serving and model = 'artist_trends'")

    answer = client.post("/analyze_artist", json={"artist_id": row["artist_uri"]})

    assert answer.status_code == 200
    found = answer.get_json()
    characteristics = found.pop("cluster_characteristics")
    assert found == {
        "cluster_id": row["cluster_id"],
        "similarity_score": row["similarity_score"],
        "artist_id": row["artist_uri"],
        "artist_name": row["artist_name"],
        "run_id": run["run_id"],
        "model": run["champion"],
        "source": "stored",
    }
    assert isinstance(found["cluster_id"], int)
    assert isinstance(found["similarity_score"], float)
    assert characteristics == {name: profile[name] for name in characteristics}
    assert {"cluster_name", "num_artists", "avg_followers", "comparison"} <= characteristics.keys()


def test_metrics_of_an_artist_in_the_database_give_what_is_stored(client: Client, web_warehouse: Warehouse) -> None:
    rows = web_warehouse.rows(
        "(select * from marts.artists order by playlist_appearances desc, artist_uri limit 15) union all"
        " (select * from marts.artists order by artist_uri limit 15)"
    )
    for row in rows:
        metrics = {name: row[name] for name in METRICS}
        found = client.post("/analyze_artist", json={"metrics": metrics}).get_json()
        assert (found["cluster_id"], found["similarity_score"]) == (row["cluster_id"], row["similarity_score"])
        assert (found["source"], found["artist_id"], found["artist_name"]) == ("live", None, None)


def test_a_number_is_the_same_however_json_writes_it(client: Client) -> None:
    assert METRICS.keys() <= set(artist_trends.FEATURES)
    answers = [
        client.post("/analyze_artist", json={"metrics": METRICS | changes}).get_json()
        for changes in ({"avg_followers": 4}, {"avg_followers": 4.0, "track_count": 7.0})
    ]
    assert answers[0] == answers[1]
    assert answers[0]["source"] == "live"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/analyze_playlist", {}, ""),
        ("/analyze_playlist", {"playlist_id": 1, "metadata": METADATA}, ""),
        ("/analyze_playlist", {"playlist_id": None}, "playlist_id"),
        ("/analyze_playlist", {"playlist_id": "1"}, "playlist_id"),
        ("/analyze_playlist", {"playlist_id": True}, "playlist_id"),
        ("/analyze_playlist", {"playlist_id": 1.5}, "playlist_id"),
        ("/analyze_playlist", {"playlist_id": -1}, "playlist_id"),
        ("/analyze_playlist", {"playlist_id": 2**31}, "playlist_id"),
        ("/analyze_playlist", {"playlist_id": 10**30}, "playlist_id"),
        ("/analyze_playlist", {"playlist": 1}, "playlist"),
        ("/analyze_playlist", {"metadata": METADATA | {"name": ""}}, "metadata.name"),
        ("/analyze_playlist", {"metadata": METADATA | {"name": "a\0b"}}, "metadata.name"),
        ("/analyze_playlist", {"metadata": METADATA | {"description": "\0"}}, "metadata.description"),
        ("/analyze_playlist", {"metadata": METADATA | {"collaborative": "yes"}}, "metadata.collaborative"),
        ("/analyze_playlist", {"metadata": METADATA | {"collaborative": 1}}, "metadata.collaborative"),
        ("/analyze_playlist", {"metadata": METADATA | {"num_tracks": 0}}, "metadata.num_tracks"),
        ("/analyze_playlist", {"metadata": METADATA | {"num_albums": 1.5}}, "metadata.num_albums"),
        ("/analyze_playlist", {"metadata": METADATA | {"duration_ms": 10**400}}, "metadata.duration_ms"),
        ("/analyze_playlist", {"metadata": METADATA | {"tracks": []}}, "metadata.tracks"),
        ("/analyze_artist", {}, ""),
        ("/analyze_artist", {"artist_id": "spotify:track:0000000000000000000001"}, "artist_id"),
        ("/analyze_artist", {"artist_id": "spotify:artist:0000000000000000000001\n"}, "artist_id"),
        ("/analyze_artist", {"metrics": METRICS | {"avg_followers": -1}}, "metrics.avg_followers"),
        ("/analyze_artist", {"metrics": METRICS | {"playlist_appearances": 0}}, "metrics.playlist_appearances"),
    ],
)
def test_what_cannot_be_analysed_is_told_with_the_field(client: Client, path: str, body: object, field: str) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert field in {error["field"] for error in answer.get_json()["errors"]}


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_numbers_beyond_all_numbers_are_refused(client: Client, number: str) -> None:
    body = f'{{"metrics": {{"playlist_appearances": 1, "avg_followers": {number}, "track_count": 1}}}}'
    answer = client.post("/analyze_artist", data=body, content_type="application/json")
    assert answer.status_code in {400, 422}


def test_what_nobody_knows_is_not_found(client: Client) -> None:
    assert client.post("/analyze_playlist", json={"playlist_id": 999_999}).status_code == 404
    unknown = client.post("/analyze_artist", json={"artist_id": "spotify:artist:zzzzzzzzzzzzzzzzzzzzzz"})
    assert unknown.status_code == 404
    assert unknown.get_json()["detail"] == "There is no artist spotify:artist:zzzzzzzzzzzzzzzzzzzzzz."


def test_nothing_trained_is_a_conflict(
    new_application: NewApplication, new_web_warehouse: Callable[..., Warehouse]
) -> None:
    warehouse = new_web_warehouse()
    client = new_application(warehouse).test_client()
    artist = warehouse.query("select min(artist_uri) from marts.artists")[0][0]
    bodies = [
        ("/analyze_playlist", {"metadata": METADATA}),
        ("/analyze_artist", {"metrics": METRICS}),
        ("/analyze_playlist", {"playlist_id": 0}),
        ("/analyze_artist", {"artist_id": artist}),
    ]
    assert [client.post(path, json=body).status_code for path, body in bodies] == [200] * 4
    with warehouse.connect() as connection:
        # The model that serves is damaged: nothing is predicted by it, and what is stored stays.
        connection.execute("update ml.models set content = content || '\\x00'")
    client = new_application(warehouse).test_client()
    damaged = [client.post(path, json=body) for path, body in bodies]
    assert [answer.status_code for answer in damaged] == [409, 409, 200, 200]
    assert "train again" in damaged[0].get_json()["detail"]
    with warehouse.connect() as connection:
        for statement in (
            "delete from ml.model_runs",
            "truncate insights.feature_importances, insights.model_performance",
            "update marts.playlists set predicted_followers = null",
            "update marts.artists set cluster_id = null",
        ):
            connection.execute(sql.SQL(statement))  # type: ignore[arg-type]
    client = new_application(warehouse).test_client()
    nothing = [client.post(path, json=body) for path, body in bodies]
    assert [answer.status_code for answer in nothing] == [409] * 4
    assert all("mixhouse train" in answer.get_json()["detail"] for answer in nothing)


def test_nothing_built_is_a_conflict(
    new_application: NewApplication, new_web_warehouse: Callable[..., Warehouse]
) -> None:
    warehouse = new_web_warehouse(filled=False)
    warehouse.run("mixhouse", "db", "roles")
    client = new_application(warehouse).test_client()
    for path, body in (
        ("/analyze_playlist", {"playlist_id": 0}),
        ("/analyze_playlist", {"metadata": METADATA}),
        ("/analyze_artist", {"metrics": METRICS}),
    ):
        answer = client.post(path, json=body)
        assert (answer.status_code, answer.content_type) == (409, "application/problem+json")
    for path in ("/playlists", "/playlists?q=rock", "/artists", "/overview", "/genres", "/reports/genres.csv"):
        answer = client.get(path)
        assert (answer.status_code, answer.content_type) == (409, "application/problem+json"), path
        assert "mixhouse run" in answer.get_json()["detail"]
    assert client.get("/model_runs").get_json() == {"model_runs": [], "next_offset": None}
    assert "mixhouse_database_up 1.0" in client.get("/metrics").text


def test_another_training_answers_as_soon_as_it_serves(
    new_application: NewApplication, new_web_warehouse: Callable[..., Warehouse]
) -> None:
    warehouse = new_web_warehouse()
    client = new_application(warehouse).test_client()
    first = client.post("/analyze_playlist", json={"metadata": METADATA}).get_json()
    with warehouse.connect() as connection:
        # As a training would leave it: the same model under another number, and it serves.
        connection.execute("update ml.model_runs set serving = false where model = 'playlist_popularity'")
        row = connection.execute(
            "insert into ml.model_runs"
            " (model, trigger, status, serving, finished_at, params, library_versions, champion)"
            " select model, trigger, status, true, finished_at, params, library_versions, champion"
            " from ml.model_runs where run_id = %s returning run_id",
            [first["run_id"]],
        ).fetchone()
        assert row is not None
        connection.execute(
            "insert into ml.models (run_id, content, sha256, scikit_learn)"
            " select %s, content, sha256, scikit_learn from ml.models where run_id = %s",
            [row[0], first["run_id"]],
        )
    second = client.post("/analyze_playlist", json={"metadata": METADATA}).get_json()
    assert (second["run_id"], second["predicted_followers"]) == (row[0], first["predicted_followers"])
