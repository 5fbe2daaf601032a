"""Marts and features against an oracle: DuckDB, a few plain queries, the same JSON files; row for row, both ways.

Floats are equal bit for bit: each is one division of two integers that a double holds exactly, or the middle of two.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from commands import Warehouse

from warehouse.settings import PROJECT_ROOT

ORACLE = Path(__file__).parent / "oracle"

# What a model decides, the oracle cannot know, nor how PostgreSQL digests.
MODELLED = {
    "marts.playlists": {
        "predicted_followers",
        "predicted_low",
        "predicted_high",
        "confidence_score",
        "last_processed",
    },
    "marts.artists": {"cluster_id", "cluster_name", "similarity_score", "last_processed"},
    "features.playlist_features": {"features_digest"},
    "features.artist_features": {"features_digest"},
}
RELATIONS = (
    "marts.playlists",
    "marts.playlist_tracks",
    "marts.tracks",
    "marts.albums",
    "marts.artists",
    "features.playlist_features",
    "features.artist_features",
)


@pytest.fixture(scope="module")
def oracle(synthetic_slices: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set variable slices = $1", [str(synthetic_slices / "mpd.slice.*.json")])
        connection.execute("set variable seeds = $1", [str(PROJECT_ROOT / "seeds")])
        for name in ("marts.sql", "columns.sql", "features.sql"):
            connection.execute((ORACLE / name).read_text(encoding="utf-8"))
        yield connection


def columns(oracle: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    table = relation.partition(".")[2]
    found = oracle.execute(
        "select column_name from information_schema.columns where table_name = $1 order by ordinal_position", [table]
    ).fetchall()
    return [column for (column,) in found]


def comparable(relation: str, columns: list[str], marts: str) -> str:
    """Select those columns. Ids are hashes of another kind on either side: the URI that each leads to is compared."""
    selected = [
        f"(select {kind}_uri from {marts}{kind}s as entity where entity.{kind}_id = rows.{kind}_id)"
        if (kind := column.removesuffix("_id")) != column
        else column
        for column in columns
    ]
    return f"select {', '.join(selected)} from {relation} as rows"


@pytest.mark.parametrize("relation", RELATIONS)
def test_rows_are_those_of_the_oracle(
    synthetic_warehouse: Warehouse, oracle: duckdb.DuckDBPyConnection, relation: str
) -> None:
    named = columns(oracle, relation)
    found = Counter(synthetic_warehouse.query(comparable(relation, named, "marts.")))
    expected = Counter(oracle.execute(comparable(relation.partition(".")[2], named, "")).fetchall())

    assert expected
    assert list((found - expected).items())[:3] == [], "rows that the oracle does not have"
    assert list((expected - found).items())[:3] == [], "rows that only the oracle has"


@pytest.mark.parametrize("relation", RELATIONS)
def test_no_column_is_left_out(
    synthetic_warehouse: Warehouse, oracle: duckdb.DuckDBPyConnection, relation: str
) -> None:
    found = synthetic_warehouse.query(
        f"select attname from pg_attribute where attrelid = '{relation}'::regclass and attnum > 0 and not attisdropped"
    )
    left = {column for (column,) in found} - set(columns(oracle, relation)) - MODELLED.get(relation, set())
    assert left == set(), "give the oracle an independent definition, or name what makes the column in MODELLED"


SEVERAL = "select count(*) from (select {0} from variants group by all having count(distinct {1}) > 1)"
TRAPS = {
    "a name that wins by the order of code points against the order of a dictionary": """
        select count(*) from (
            select track_uri from variants
            group by all
            having count(*) > 1 and min(track_name) <> arg_min(track_name, lower(track_name))
        )
    """,
    "a tie between names of a track": """
        select count(*) from (
            select track_uri, appearances, rank() over (partition by track_uri order by appearances desc) as place
            from variants
            qualify place = 1 and count(*) over (partition by track_uri, appearances) > 1
        )
    """,
    "a majority against the order of names": """
        select count(*) from tracks inner join
        (select track_uri, min(track_name) as first_name from variants group by all) using (track_uri)
        where track_name > first_name
    """,
    "a track on several albums": SEVERAL.format("track_uri", "album_uri"),
    "a track of several artists": SEVERAL.format("track_uri", "artist_uri"),
    "a track of several durations": SEVERAL.format("track_uri", "duration_ms"),
    "an album of several artists": "select count(*) from albums where num_artists > 1",
    "an album of several names": SEVERAL.format("album_uri", "album_name"),
    "artists of one name": "select count(*) from (select artist_name from artists group by all having count(*) > 1)",
    "a repeated track": "select count(*) from playlists where num_distinct_tracks < num_tracks",
    "a wrong declaration": "select count(*) from playlists where num_tracks <> declared_num_tracks",
    "a playlist of one track": "select count(*) from playlists where num_tracks = 1",
    "a playlist of 300 tracks": "select count(*) from playlists where num_tracks = 300",
    "a track without a duration": "select count(*) from tracks where duration_ms = 0",
    "a title of two lines": "select count(*) from playlists where contains(name, chr(10))",
    "an empty description": "select count(*) from playlists where description = ''",
}


@pytest.mark.parametrize("trap", TRAPS)
def test_the_files_hold_the_trap(oracle: duckdb.DuckDBPyConnection, trap: str) -> None:
    assert oracle.execute(TRAPS[trap]).fetchone() > (0,)
