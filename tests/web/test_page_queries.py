"""What the pages ask is answered by indexes, however many playlists there are."""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
import pytest
from commands import Warehouse
from psycopg import ClientCursor, Connection

from web.database import QUERIES

LARGE = {
    "playlists",
    "playlist_tracks",
    "tracks",
    "artists",
    "playlist_performance",
    "playlist_recommendations",
    "playlist_predictions",
    "playlist_growth",
    "artist_performance",
    "artist_recommendations",
    "artist_movements",
    "artist_monthly_trends",
    "artist_genres",
    "track_genres",
    "similar_artists",
    "track_journeys",
}
"""Tables whose rows are as many as artists, tracks, or those in each month."""
SOME = {
    "artist_uri": "spotify:artist:0000000000000000000000",
    "artist_id": 1,
    "track_appearances": 100,
    "prefix": None,
    "cluster_id": None,
    "stage": None,
    "genre": "rock",
    "recommendation": "promote",
    "month": date(2017, 10, 1),
    "limit": 50,
    "offset": 0,
    "q": "summer",
    "pid": 7,
    "sorted_by": "behind",
    "length_band": None,
    "comparable_group": None,
}
ASKED: list[tuple[str, dict[str, Any]]] = [
    ("artists_by_name", {"prefix": "th"}),
    ("artists_by_score", {}),
    ("artists_by_score", {"cluster_id": 1}),
    ("artists_by_score", {"stage": "developing"}),
    ("artists_by_score", {"cluster_id": 1, "stage": "superstar"}),
    ("artists_by_score", {"prefix": "th", "cluster_id": 1}),
    ("artists_sampled", {}),
    ("artists_recommended", {}),
    ("artist_recommendation_counts", {}),
    ("artist_movers", {}),
    ("artist_profile", {}),
    ("artist_months", {}),
    ("genres_of_artist", {}),
    ("similar_to_artist", {}),
    ("tracks_of_artist", {}),
    ("playlists_with_artist", {}),
    ("playlists_with_artist", {"track_appearances": 1_000_000}),
    ("recommendations_of_artist", {}),
    ("artist_trend_months", {}),
    ("artist_changes_of_month", {}),
    ("artists_of_genre", {}),
    ("tracks_of_genre", {}),
    ("playlists_found", {}),
    ("underperforming_playlists", {"sorted_by": "gap", "prefix": "", "genre": None}),
    ("underperforming_playlists", {"sorted_by": "tracks", "prefix": "su"}),
    ("underperforming_groups", {}),
    ("predictions_sampled", {}),
    ("next_steps", {}),
    ("emerging_artists", {}),
    ("playlist", {}),
    ("playlist_tracks", {}),
    ("playlist_recommendations", {}),
    ("playlist_growth", {}),
    ("playlists_comparable", {}),
]


@pytest.fixture
def connection(web_warehouse: Warehouse) -> Iterator[Connection]:
    with web_warehouse.connect() as connection:
        # A thousand playlists are read as a whole faster than by an index: is there one at all?
        connection.execute("set local enable_seqscan = off")
        yield connection


@pytest.mark.parametrize(("query", "asked"), ASKED, ids=[f"{query}-{'-'.join(asked)}" for query, asked in ASKED])
def test_no_large_table_is_read_as_a_whole(connection: Connection, query: str, asked: dict[str, Any]) -> None:
    statement = (QUERIES / f"{query}.sql").read_text(encoding="utf-8").replace("%", "%%")
    for name in SOME:
        statement = statement.replace(f":{name}", f"%({name})s")
    [[[plan]]] = (
        ClientCursor(connection).execute(f"explain (format json) {statement}".encode(), SOME | asked).fetchall()
    )
    scanned = {node["Relation Name"] for node in nodes(plan["Plan"]) if node["Node Type"] == "Seq Scan"}
    assert not scanned & LARGE, json.dumps(plan, indent=1)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def test_names_are_looked_for_by_their_own_index(connection: psycopg.Connection) -> None:
    [[index]] = connection.execute(
        "select indexdef from pg_indexes where tablename = 'artist_performance' and indexdef like "
        "'%lower(artist_name)%'"
    ).fetchall()
    assert "text_pattern_ops" in index
