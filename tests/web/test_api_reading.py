"""What there is to read."""

import itertools
from collections.abc import Callable
from typing import Any

import flask
import flask.testing
import pytest
from commands import Warehouse

Client = flask.testing.FlaskClient
SCRIPT = "<script>alert(1)</script>"


def pages(client: Client, path: str, name: str, limit: int) -> list[dict[str, Any]]:
    """Return all rows of a list, a part at a time."""
    rows: list[dict[str, Any]] = []
    offset: int | None = 0
    while offset is not None:
        answer = client.get(f"{path}{'&' if '?' in path else '?'}limit={limit}&offset={offset}").get_json()
        rows += answer[name]
        offset = answer["next_offset"]
    return rows


def test_playlists_come_with_the_most_followed_first_each_once(client: Client, web_warehouse: Warehouse) -> None:
    expected = [
        pid for (pid,) in web_warehouse.query("select pid from marts.playlists order by num_followers desc, pid")
    ]
    assert [row["pid"] for row in pages(client, "/playlists", "playlists", 190)] == expected


@pytest.mark.parametrize("title", ["rock", "ROCK!!", "\u2728 Rock"])
def test_playlists_are_found_by_how_their_title_begins(client: Client, web_warehouse: Warehouse, title: str) -> None:
    expected = web_warehouse.query(
        "select pid from marts.playlists where starts_with(normalised_title, 'rock')"
        ' order by normalised_title collate "C", num_followers desc, pid'
    )
    assert expected
    found = client.get("/playlists", query_string={"q": title, "limit": 200}).get_json()["playlists"]
    assert [row["pid"] for row in found] == [pid for (pid,) in expected]


@pytest.mark.parametrize("text", ["%", "_", "\\", "' or 1=1 --", "\U0010ffff", "\u0130", "a" * 200])
def test_characters_that_mean_something_elsewhere_mean_nothing_in_a_search(client: Client, text: str) -> None:
    for path, name in (("/playlists", "playlists"), ("/artists", "artists")):
        answer = client.get(path, query_string={"q": text})
        assert answer.status_code == 200
        assert len(answer.get_json()[name]) < 50, path


def test_playlists_of_a_genre(client: Client, web_warehouse: Warehouse) -> None:
    [(genre, count)] = web_warehouse.query(
        "select genre, count(*) from marts.playlists where genre is not null group by genre order by 2 desc, 1 limit 1"
    )
    rows = pages(client, f"/genres/{genre}/playlists", "playlists", 7)
    assert len(rows) == count
    assert {row["genre"] for row in rows} == {genre}


def test_a_playlist_with_its_numbers_tracks_recommendations_and_versions(
    client: Client, web_warehouse: Warehouse
) -> None:
    [(pid,)] = web_warehouse.query("select min(pid) from insights.playlist_recommendations")
    [row] = web_warehouse.rows(f"select * from marts.playlists where pid = {pid}")
    found = client.get(f"/playlists/{pid}").get_json()
    assert (found["name"], found["num_tracks"], found["comparable_playlists"] > 0) == (
        row["name"],
        row["num_tracks"],
        True,
    )
    tracks = client.get(f"/playlists/{pid}/tracks").get_json()["tracks"]
    assert [track["pos"] for track in tracks] == list(range(row["num_tracks"]))
    assert sum(track["duration_ms"] for track in tracks) == row["duration_ms"]
    recommendations = client.get(f"/playlists/{pid}/recommendations").get_json()["recommendations"]
    assert [one["recommendation_rank"] for one in recommendations] == list(range(1, len(recommendations) + 1))
    assert all(one["reason"] for one in recommendations)
    assert client.get(f"/playlists/{pid}/versions").get_json() == {"versions": []}


def test_artists_by_rank_by_cluster_and_by_name(client: Client, web_warehouse: Warehouse) -> None:
    first = client.get("/artists?limit=20").get_json()
    assert [row["artist_rank"] for row in first["artists"]] == sorted(row["artist_rank"] for row in first["artists"])
    assert first["next_offset"] == 20
    name = first["artists"][3]["artist_name"]
    for spelling in (name, name.upper(), name[:4].lower()):
        found = client.get("/artists", query_string={"q": spelling, "limit": 200}).get_json()["artists"]
        assert name in {row["artist_name"] for row in found}
    [(cluster, count)] = web_warehouse.query(
        "select cluster_id, num_artists from insights.cluster_profiles order by num_artists limit 1"
    )
    assert len(pages(client, f"/clusters/{cluster}/artists", "artists", 200)) == min(count, 5_200)


def test_an_artist_with_all_that_is_known(client: Client, web_warehouse: Warehouse) -> None:
    [(uri,)] = web_warehouse.query(
        "select artist_uri from insights.similar_artists inner join insights.artist_genres using (artist_uri)"
        " order by artist_uri limit 1"
    )
    found = client.get(f"/artists/{uri}").get_json()
    assert found["artist_uri"] == uri
    assert isinstance(found["recommendations"], list)
    similar = client.get(f"/artists/{uri}/similar").get_json()["artists"]
    assert [one["similarity_rank"] for one in similar] == list(range(1, len(similar) + 1))
    assert client.get(f"/artists/{uri}/genres").get_json()["genres"][0]["genre_rank"] == 1
    months = client.get(f"/artists/{uri}/months").get_json()["months"]
    assert [one["month"] for one in months] == sorted(one["month"] for one in months)


def test_lists_of_the_warehouse(client: Client, web_warehouse: Warehouse) -> None:
    [overview] = web_warehouse.rows("select * from insights.overview")
    assert client.get("/overview").get_json()["playlists"] == overview["playlists"] == 1_000
    clusters = client.get("/clusters").get_json()["clusters"]
    assert sum(cluster["num_artists"] for cluster in clusters) == overview["artists"]
    genres = client.get("/genres").get_json()["genres"]
    assert [row["playlists"] for row in genres] == sorted((row["playlists"] for row in genres), reverse=True)
    assert client.get(f"/genres/{genres[0]['genre']}/months").status_code == 200
    assert client.get("/genres/no such genre/months").status_code == 404
    assert len(client.get("/data_quality").get_json()["rules"]) > 30
    assert client.get("/rejects").get_json() == {"reasons": []}
    assert {row["model_name"] for row in client.get("/model_performance").get_json()["metrics"]} == {
        "playlist_popularity",
        "artist_trends",
    }


def test_trainings_with_their_measures(client: Client) -> None:
    runs = client.get("/model_runs").get_json()["model_runs"]
    assert {run["model"] for run in runs if run["is_serving"]} == {"playlist_popularity", "artist_trends"}
    for run in runs:
        found = client.get(f"/model_runs/{run['run_id']}").get_json()
        assert found["metrics"]
        assert found["params"]
    assert client.get("/model_runs/999").status_code == 404


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/playlists?limit=0", "limit"),
        ("/playlists?limit=201", "limit"),
        ("/playlists?offset=-1", "offset"),
        ("/playlists?offset=5001", "offset"),
        ("/playlists?limit=NaN", "limit"),
        ("/playlists?q=", "q"),
        ("/playlists?q=%00", "q"),
        ("/playlists?page=2", "page"),
        ("/playlists/x", "pid"),
        ("/playlists/-1", "pid"),
        ("/playlists/2147483648", "pid"),
        ("/playlists/999999999999999999999999999999", "pid"),
        ("/playlists/x/tracks", "pid"),
        ("/artists/%00", "artist_id"),
        ("/artists/spotify:artist:1/similar", "artist_id"),
        ("/clusters/x/artists", "cluster_id"),
        ("/genres/%00/months", "genre"),
        ("/model_runs/0", "run_id"),
        ("/model_runs/9223372036854775808", "run_id"),
        ("/runs/x", "run_id"),
        ("/reports/playlists.csv?genre=%00", "genre"),
        ("/reports/playlist_performance.csv?is_underperforming=perhaps", "is_underperforming"),
        ("/reports/genres.csv?genre=rock", "genre"),
    ],
)
def test_parameters_are_told_by_their_name(client: Client, path: str, field: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert field in {error["field"] for error in answer.get_json()["errors"]}


@pytest.mark.parametrize(
    "path",
    [
        "/playlists/999999",
        "/playlists/999999/tracks",
        "/playlists/999999/recommendations",
        "/playlists/999999/versions",
        *(f"/artists/spotify:artist:{'z' * 22}{part}" for part in ("", "/similar", "/months", "/genres")),
        "/clusters/999/artists",
        "/genres/nothing/playlists",
        "/runs/1",
        "/reports/nothing.csv",
        "/nothing",
    ],
)
def test_what_is_not_there_is_not_found(client: Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


def test_a_title_that_is_a_script_stays_text(
    new_application: Callable[..., flask.Flask], new_web_warehouse: Callable[..., Warehouse]
) -> None:
    warehouse = new_web_warehouse()
    with warehouse.connect() as connection:
        connection.execute("update marts.playlists set name = %s, description = %s where pid = 3", [SCRIPT, SCRIPT])
    client = new_application(warehouse).test_client()
    answer = client.get("/playlists/3")
    assert answer.content_type == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert (answer.get_json()["name"], answer.get_json()["description"]) == (SCRIPT, SCRIPT)
    # Nor does what was asked for come back as anything else.
    answer = client.get("/genres/" + SCRIPT.replace("/", "") + "/months")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


def test_searches_read_few_rows(web_warehouse: Warehouse) -> None:
    """By an index, and never a whole mart: what that is at a thousand playlists, it is at a million."""
    with web_warehouse.connect() as connection:
        connection.execute("set enable_seqscan = off")
        plans = {
            "by title": "select * from marts.playlists where normalised_title >= 'r' and normalised_title < 's'"
            " order by normalised_title, num_followers desc, pid limit 50",
            "all": "select * from marts.playlists order by num_followers desc, pid limit 50",
            "of a genre": "select * from marts.playlists where genre = 'rock'"
            " order by num_followers desc, pid limit 50",
            "by name": "select * from insights.artist_performance where lower(artist_name) like 'abc%'",
            "of a cluster": "select * from insights.artist_performance where cluster_id = 1"
            " order by artist_rank, artist_uri limit 50",
        }
        for name, query in plans.items():
            lines = [line for (line,) in connection.execute(f"explain {query}".encode())]
            plan = "\n".join(itertools.chain(lines))
            assert "Index" in plan, name
            assert "Seq Scan" not in plan, name
