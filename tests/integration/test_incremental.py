"""However playlists come to be in the database, and however builds end, the marts are those of a build from nothing."""

import json
import math
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from commands import BIN, Warehouse

from loaders.synthetic import render_slice
from warehouse.settings import home

SEED = 20171101
PLAYLISTS_A_SLICE = 60
KILLS = 3
DEADLINE_SECONDS = 300

Json = dict[str, Any]
Rows = list[tuple[Any, ...]]


# ----------------------------------------------------------------------------------------------------------------------
# Playlists that change


def made(number: int) -> list[Json]:
    """A slice of made playlists; one track, album and artist is in none but its first playlist."""
    playlists: list[Json] = json.loads(render_slice(SEED, number, PLAYLISTS_A_SLICE))["playlists"]
    rare = {
        f"{kind}_{what}": f"spotify:{kind}:{number:022d}"
        for kind in ("track", "album", "artist")
        for what in ("uri", "name")
    }
    playlists[0]["tracks"][0] |= rare
    return playlists


def changed(playlists: list[Json], random: Random) -> list[Json]:
    """Later versions of them: fewer tracks, other tracks or names of tracks, another title, month, or followers."""
    versions = []
    for number, playlist in enumerate(playlists):
        tracks = playlist["tracks"]
        other = random.choice(playlists)["tracks"]
        version: Json = [
            {"tracks": tracks[1:] or other},
            {"tracks": other},
            {"tracks": [track | {"track_name": f"{track['track_name']} (Live)"} for track in tracks]},
            {"tracks": [track | {"artist_uri": other[0]["artist_uri"]} for track in reversed(tracks)]},
            {"name": f"{playlist['name']} II"},
            {"num_followers": playlist["num_followers"] + random.randrange(1, 100)},
            {"modified_at": playlist["modified_at"] - 40 * 86_400},
            {"name": "country", "description": "another", "collaborative": "true"},
        ][number % 8]
        listed = [track | {"pos": pos} for pos, track in enumerate(version.get("tracks", tracks))]
        versions.append(playlist | version | {"tracks": listed, "num_edits": playlist["num_edits"] + 1})
    return versions


def land(warehouse: Warehouse, path: Path, playlists: list[Json]) -> Path:
    path.write_text(json.dumps({"info": {"version": "v1"}, "playlists": playlists}), encoding="utf-8")
    warehouse.run("mixhouse", "load", path)
    return path


# ----------------------------------------------------------------------------------------------------------------------
# What is compared


def relations(warehouse: Warehouse) -> dict[str, Rows]:
    """The rows of all that dbt makes."""
    names = warehouse.query(
        """
        select relnamespace::regnamespace || '.' || relname
        from pg_class
        where
            relkind in ('r', 'v', 'm')
            and relnamespace::regnamespace::text in ('intermediate', 'features', 'marts', 'insights')
        """
    )
    return {name: warehouse.query(f"select * from {name}") for (name,) in names}


def assert_same(found: dict[str, Rows], expected: dict[str, Rows]) -> None:
    """Row for row; floats to twelve digits, since a sum of floats depends on the order in which rows are read."""
    assert found.keys() == expected.keys()
    assert expected["marts.playlists"]
    for name, rows in expected.items():
        pairs = list(zip(in_order(found[name]), in_order(rows), strict=False))
        different = [pair for pair in pairs if not all(map(alike, *pair))]
        assert different[:3] == [], name
        assert len(found[name]) == len(rows), name


def in_order(rows: Rows) -> Rows:
    """Sorted by what is exact first."""
    return sorted(rows, key=lambda row: (repr([value for value in row if not isinstance(value, float)]), repr(row)))


def alike(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12)
    return one == other


@pytest.fixture(scope="module")
def dbt_build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Builds everything without training, and without tests: what is compared says more."""
    folder = tmp_path_factory.mktemp("dbt")

    def build(warehouse: Warehouse, *options: str) -> str:
        return warehouse.dbt(folder, "build", "--exclude-resource-type", "test", "unit_test", *options)

    return build


@pytest.fixture(scope="module")
def from_nothing(
    new_warehouse: Callable[..., Warehouse], dbt_build: Callable[..., str]
) -> Callable[[Warehouse], dict[str, Rows]]:
    """Gives the relations that dbt makes of what has landed and what models said, where it has made nothing before."""

    def build(warehouse: Warehouse) -> dict[str, Rows]:
        copy = new_warehouse(warehouse)
        with copy.connect() as connection:
            connection.execute("drop schema if exists intermediate, features, marts, insights cascade")
        dbt_build(copy)
        return relations(copy)

    return build


# ----------------------------------------------------------------------------------------------------------------------


def test_added_slices_and_changed_playlists_end_as_a_build_from_nothing(
    new_warehouse: Callable[..., Warehouse],
    dbt_build: Callable[..., str],
    from_nothing: Callable[[Warehouse], dict[str, Rows]],
    tmp_path: Path,
) -> None:
    random = Random(SEED)  # noqa: S311 - the same changes each time
    warehouse = new_warehouse()
    slices = [made(number) for number in range(5)]
    first = [land(warehouse, tmp_path / f"mpd.slice.{number}-{number}.json", slices[number]) for number in range(3)]
    warehouse.run("mixhouse", "build")
    before = relations(warehouse)
    [(last_slice,)] = warehouse.query("select max(slice_id) from staging.slices")

    # A new slice, and later versions of the playlists of two slices, of which some lose what only they had.
    land(warehouse, tmp_path / "mpd.slice.3-3.json", slices[3])
    versions = changed(slices[0], random)
    land(warehouse, tmp_path / "mpd.slice.10-10.json", versions + changed(slices[1], random)[::2])
    warehouse.run("mixhouse", "build")
    assert slices_looked_at() == {last_slice + 1, last_slice + 2}
    after = relations(warehouse)
    assert_same(after, from_nothing(warehouse))
    for mart in ("marts.tracks", "marts.albums", "marts.artists"):
        assert {row[0] for row in before[mart]} - {row[0] for row in after[mart]}, f"nothing left {mart}"

    # Again, with an older file put back, so that what had gone returns.
    again = tmp_path / "again" / first[0].name
    again.parent.mkdir()
    again.write_bytes(first[0].read_bytes())
    warehouse.run("mixhouse", "load", again)
    land(warehouse, tmp_path / "mpd.slice.4-4.json", slices[4] + changed(versions[::3], random)[1:])
    dbt_build(warehouse)
    expected = from_nothing(warehouse)
    assert_same(relations(warehouse), expected)
    assert {row[0] for row in expected["marts.artists"]} & (
        {row[0] for row in before["marts.artists"]} - {row[0] for row in after["marts.artists"]}
    ), "nothing returned"

    dbt_build(warehouse, "--full-refresh")
    assert_same(relations(warehouse), expected)


def slices_looked_at() -> set[int]:
    """The slices that the last build looked at in its test of the largest table."""
    [test] = (home() / "target" / "compiled").rglob("assert_positions_have_what_they_refer_to.sql")
    [slices] = re.findall(r"slice_id in \(([^)]+)\)", test.read_text(encoding="utf-8"))
    return {int(number) for number in slices.split(",")}


def test_a_build_that_was_killed_is_made_up_for_by_the_next(
    new_warehouse: Callable[..., Warehouse],
    dbt_build: Callable[..., str],
    from_nothing: Callable[[Warehouse], dict[str, Rows]],
    tmp_path: Path,
) -> None:
    random = Random(SEED)  # noqa: S311 - the same changes and moments each time
    warehouse = new_warehouse()
    playlists = made(0) + made(1)
    land(warehouse, tmp_path / "mpd.slice.0-0.json", playlists)
    dbt_build(warehouse)
    tables = warehouse.query(
        """
        select relname
        from pg_class
        where relkind = 'r' and relnamespace::regnamespace::text in ('intermediate', 'marts', 'insights')
        order by 1
        """
    )
    # Another table each time, so that others are ahead of it; one of each half of the build among them.
    moments = ["playlist_tracks", "artists", *(name for (name,) in random.sample(tables, len(tables)))]
    kills = 0
    while kills < KILLS:
        playlists = changed(playlists[1:], random) + playlists[:1]
        land(warehouse, tmp_path / f"mpd.slice.{len(moments)}-0.json", playlists + made(len(moments)))
        kills += kill_build_at(warehouse, moments.pop(0))

    warehouse.run("mixhouse", "build")

    assert_same(relations(warehouse), from_nothing(warehouse))


def kill_build_at(warehouse: Warehouse, model: str) -> bool:
    """Build, and kill it when it has begun to write this model and not committed yet; False if that was never seen."""
    # dbt says in a comment of each statement what it is for.
    writing = f"""
        select count(*)
        from pg_stat_activity
        where datname = current_database() and backend_xid is not null and query like '%.mixhouse.{model}"%'
    """
    with warehouse.connect() as connection:
        connection.autocommit = True
        process = subprocess.Popen(
            [BIN / "mixhouse", "build"],
            env=os.environ | warehouse.variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + DEADLINE_SECONDS
        while connection.execute(writing.encode()).fetchone() == (0,) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        is_running = process.poll() is None
        process.kill()
        process.wait()
    return is_running
