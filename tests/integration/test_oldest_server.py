"""The whole pipeline on a server that is not ours: an older PostgreSQL, found by its libpq variables."""

import json
from pathlib import Path

import golden
import psycopg
import pytest
from commands import Warehouse


@pytest.fixture(scope="module")
def older(older_server: dict[str, str]) -> Warehouse:
    warehouse = Warehouse(older_server | {"PGDATABASE": "older"})
    with Warehouse(older_server).connect() as connection:
        connection.autocommit = True
        connection.execute("create database older")
    return warehouse


def test_an_older_server_gives_the_same_marts(older: Warehouse, golden_warehouse: Warehouse, tmp_path: Path) -> None:
    golden.write(tmp_path)
    older.run("mixhouse", "run", tmp_path, code=golden.LOADED)
    for relation in (
        "marts.tracks",
        "marts.albums",
        "(select artist_uri, artist_name from marts.artists)",
        "marts.playlist_tracks",
        "features.playlist_features",
        "features.artist_features",
    ):
        ordered = f"select * from {relation} as relation"
        assert sorted(older.query(ordered)) == sorted(golden_warehouse.query(ordered)), relation
    predictions = "select pid, predicted_followers, duration_ms from marts.playlists order by pid"
    assert older.query(predictions) == golden_warehouse.query(predictions)
    foreign_keys = "select count(*) from pg_constraint where contype = 'f' and connamespace = 'marts'::regnamespace"
    assert older.query(foreign_keys) == golden_warehouse.query(foreign_keys) == [(6,)]


def test_an_older_server_takes_in_another_version(older: Warehouse, tmp_path: Path) -> None:
    """Tracks go that positions still refer to while the models are built, and foreign keys are there in the end."""
    golden.write(tmp_path / "golden")
    older.run("mixhouse", "run", tmp_path / "golden", ok=False)
    playlist = golden.playlist(999999)
    track = {"pos": 0} | {
        f"{kind}_{what}": f"spotify:{kind}:{'another':0>22}" if what == "uri" else "Another"
        for kind in ("track", "album", "artist")
        for what in ("uri", "name")
    }
    version = playlist | {"tracks": [track | {"duration_ms": 1}]}
    path = tmp_path / "mpd.slice.999999-999999.json"
    path.write_text(json.dumps({"info": {"version": "v1"}, "playlists": [version]}), encoding="utf-8")
    older.run("mixhouse", "run", path)
    found = older.query(
        "select pos, track_name from marts.playlist_tracks join marts.tracks using (track_id) where pid = 999999"
    )
    assert found == [(0, "Another")]
    foreign_keys = "select count(*) from pg_constraint where contype = 'f' and connamespace = 'marts'::regnamespace"
    assert older.query(foreign_keys) == [(6,)]


def test_an_older_server_has_the_same_roles(older: Warehouse, tmp_path: Path) -> None:
    golden.write(tmp_path)
    older.run("mixhouse", "db", "roles")
    secret = older.variables | {"MIXHOUSE_USER_PASSWORD": "for tests only"}
    for user, kinds in {"work": ("loader", "transformer", "ml"), "ana": ("reporter",)}.items():
        options = [option for kind in kinds for option in ("--role", kind)]
        Warehouse(secret).run("mixhouse", "db", "user", user, *options)
    Warehouse(secret | {"PGUSER": "work"}).run("mixhouse", "run", tmp_path, code=golden.LOADED)
    reader = Warehouse(secret | {"PGUSER": "ana"})
    assert reader.query("select count(*) from marts.playlists") == [(len(golden.PLAYLISTS),)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.query("select count(*) from staging.playlists")
