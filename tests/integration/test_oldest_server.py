"""The whole pipeline on a server that is not ours: an older PostgreSQL, found by its libpq variables."""

import json
import os
import pwd
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import golden
import psycopg
import pytest
from commands import Warehouse

OLDEST, EMBEDDED = 15, 18


def installed_servers() -> list[Path]:
    """The program folders of PostgreSQL servers here that are supported and not the embedded version, oldest first."""
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.environ["PATH"].split(os.pathsep))]
    found = {}
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            told = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
            version = re.search(r"(\d+)", told)
            if version and OLDEST <= int(version[1]) < EMBEDDED:
                found[int(version[1])] = folder
    return [found[version] for version in sorted(found)]


@pytest.fixture(scope="module")
def older_server(session_home: Path) -> Iterator[Warehouse]:
    folders = installed_servers()
    if not folders:
        if os.environ.get("CI"):
            pytest.fail("CI has no PostgreSQL 15 to 17; .ci/run installs one")
        pytest.skip("no PostgreSQL 15 to 17 on this machine")
    programs = folders[0]
    # Not in pytest's own folder: each session that starts closes it to other users, and so to a running server.
    home = session_home / "older"
    home.mkdir()
    # PostgreSQL refuses to run as root, and initdb wants a user that the system knows.
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:
        shutil.chown(home, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = home / "data"
    account = {"user": user} if os.geteuid() == 0 else {}
    # The embedded server sorts by code point, most others as a dictionary does.
    sorting = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "someone", "--auth=trust", "--encoding=UTF8", *sorting],
        check=True,
        capture_output=True,
        cwd=home,
        **account,
    )
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    control = [programs / "pg_ctl", "-D", data, "-w"]
    start = [*control, "-l", home / "log", "-o", options, "start"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd=home, **account)
    try:
        with psycopg.connect(f"host=127.0.0.1 port={port} user=someone dbname=postgres", autocommit=True) as connection:
            connection.execute("create database older")
        variables = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "someone", "PGPASSWORD": "none"}
        yield Warehouse(variables | {"PGDATABASE": "older"})
    finally:
        stop = [*control, "-m", "immediate", "stop"]
        subprocess.run(stop, check=True, stdout=subprocess.DEVNULL, cwd=home, **account)


def test_an_older_server_gives_the_same_marts(
    older_server: Warehouse, golden_warehouse: Warehouse, tmp_path: Path
) -> None:
    golden.write(tmp_path)
    older_server.run("mixhouse", "run", tmp_path, code=golden.LOADED)
    for relation in (
        "marts.tracks",
        "marts.albums",
        "(select artist_uri, artist_name from marts.artists)",
        "marts.playlist_tracks",
        "features.playlist_features",
        "features.artist_features",
    ):
        ordered = f"select * from {relation} as relation"
        assert sorted(older_server.query(ordered)) == sorted(golden_warehouse.query(ordered)), relation
    predictions = "select pid, predicted_followers, duration_ms from marts.playlists order by pid"
    assert older_server.query(predictions) == golden_warehouse.query(predictions)
    foreign_keys = "select count(*) from pg_constraint where contype = 'f' and connamespace = 'marts'::regnamespace"
    assert older_server.query(foreign_keys) == golden_warehouse.query(foreign_keys) == [(6,)]


def test_an_older_server_takes_in_another_version(older_server: Warehouse, tmp_path: Path) -> None:
    """Tracks go that positions still refer to while the models are built, and foreign keys are there in the end."""
    golden.write(tmp_path / "golden")
    older_server.run("mixhouse", "run", tmp_path / "golden", ok=False)
    playlist = golden.playlist(999999)
    track = {"pos": 0} | {
        f"{kind}_{what}": f"spotify:{kind}:{'another':0>22}" if what == "uri" else "Another"
        for kind in ("track", "album", "artist")
        for what in ("uri", "name")
    }
    version = playlist | {"tracks": [track | {"duration_ms": 1}]}
    path = tmp_path / "mpd.slice.999999-999999.json"
    path.write_text(json.dumps({"info": {"version": "v1"}, "playlists": [version]}), encoding="utf-8")
    older_server.run("mixhouse", "run", path)
    found = older_server.query(
        "select pos, track_name from marts.playlist_tracks join marts.tracks using (track_id) where pid = 999999"
    )
    assert found == [(0, "Another")]
    foreign_keys = "select count(*) from pg_constraint where contype = 'f' and connamespace = 'marts'::regnamespace"
    assert older_server.query(foreign_keys) == [(6,)]


def test_an_older_server_has_the_same_roles(older_server: Warehouse, tmp_path: Path) -> None:
    golden.write(tmp_path)
    older_server.run("mixhouse", "db", "roles")
    secret = older_server.variables | {"MIXHOUSE_USER_PASSWORD": "for tests only"}
    for user, kinds in {"work": ("loader", "transformer", "ml"), "ana": ("reporter",)}.items():
        options = [option for kind in kinds for option in ("--role", kind)]
        Warehouse(secret).run("mixhouse", "db", "user", user, *options)
    Warehouse(secret | {"PGUSER": "work"}).run("mixhouse", "run", tmp_path, code=golden.LOADED)
    reader = Warehouse(secret | {"PGUSER": "ana"})
    assert reader.query("select count(*) from marts.playlists") == [(len(golden.PLAYLISTS),)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.query("select count(*) from staging.playlists")
