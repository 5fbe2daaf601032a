"""The look-ups that are promised to be index scans, and what the server says of them; the tests look at the same."""

from collections.abc import Iterator, Mapping
from typing import Any

from psycopg import Connection

LOOKUPS = {
    "a playlist with its tracks": """
        select
            playlists.name,
            playlists.num_followers,
            playlists.predicted_followers,
            playlist_tracks.pos,
            tracks.track_name,
            artists.artist_name,
            albums.album_name
        from marts.playlists
        inner join marts.playlist_tracks on playlists.pid = playlist_tracks.pid
        inner join marts.tracks on playlist_tracks.track_id = tracks.track_id
        inner join marts.artists on playlist_tracks.artist_id = artists.artist_id
        inner join marts.albums on playlist_tracks.album_id = albums.album_id
        where playlists.pid = %(pid)s
        order by playlist_tracks.pos
    """,
    "an artist with cluster and top tracks": """
        select
            artists.artist_name,
            artists.playlist_appearances,
            artists.cluster_name,
            top_tracks.track_name,
            top_tracks.track_appearances
        from marts.artists
        cross join lateral (
            select track_name, track_appearances
            from marts.tracks
            where tracks.artist_id = artists.artist_id
            order by track_appearances desc
            limit 10
        ) as top_tracks
        where artists.artist_uri = %(artist_uri)s
    """,
    "a track": """
        select
            tracks.track_name,
            artists.artist_name,
            albums.album_name,
            tracks.track_appearances
        from marts.tracks
        inner join marts.artists on tracks.artist_id = artists.artist_id
        inner join marts.albums on tracks.album_id = albums.album_id
        where tracks.track_uri = %(track_uri)s
    """,
    "top 50 playlists by followers": """
        select pid, name, num_followers from marts.playlists
        order by num_followers desc
        limit 50
    """,
    "top 50 artists by playlists": """
        select artist_uri, artist_name, playlist_appearances from marts.artists
        order by playlist_appearances desc
        limit 50
    """,
    "top 50 tracks by appearances": """
        select track_uri, track_name, track_appearances from marts.tracks
        order by track_appearances desc
        limit 50
    """,
    "top 50 playlists furthest behind their prediction": """
        select pid, name, num_followers, predicted_followers from insights.playlist_performance
        order by log_gap desc
        limit 50
    """,
    "top 50 emerging artists": """
        select artist_uri, artist_name, reason from insights.artist_recommendations
        where recommendation = 'emerging'
        order by score desc
        limit 50
    """,
}

_WORST = """
    select
        (select pid from marts.playlists order by num_tracks desc, pid limit 1) as pid,
        (
            select artist_uri from marts.tracks
            group by artist_uri
            order by count(*) desc, artist_uri
            limit 1
        ) as artist_uri,
        (select track_uri from marts.tracks order by track_appearances desc, track_uri limit 1) as track_uri
"""


def worst_cases(connection: Connection) -> dict[str, object]:
    """Choose what costs most to look up: the longest playlist, the artist with most tracks."""
    [(pid, artist_uri, track_uri)] = connection.execute(_WORST).fetchall()
    return {"pid": pid, "artist_uri": artist_uri, "track_uri": track_uri}


def explain(connection: Connection, lookup: str, parameters: Mapping[str, object], options: str = "") -> dict[str, Any]:
    """Ask for the plan of a look-up; with the option `analyze`, also for its times."""
    statement = f"explain (format json{options and ', ' + options}) {LOOKUPS[lookup]}"
    [([plan],)] = connection.execute(statement.encode(), parameters).fetchall()
    return dict(plan)


def scans(plan: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Tell how a plan reads each table: `("tracks", "Index Scan")`."""
    if "Relation Name" in plan:
        yield plan["Relation Name"], plan["Node Type"]
    for part in plan.get("Plans", ()):
        yield from scans(part)
