"""The golden playlists through the whole pipeline, compared row for row with what was worked out by hand."""

from datetime import UTC, datetime, timedelta

import golden
import pytest
from commands import Warehouse
from golden import uri

MODIFIED_AT = {
    29: datetime(1970, 1, 1, tzinfo=UTC),
    30: datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    31: datetime(2010, 1, 1, tzinfo=UTC),
    32: datetime(2017, 10, 31, tzinfo=UTC),
}


def test_playlists_hold_what_they_hold_and_keep_what_they_declare(golden_warehouse: Warehouse) -> None:
    expected = []
    for pid, (title, _, followers, edits, collaborative, description, declared) in sorted(golden.PLAYLISTS.items()):
        num_tracks, distinct, num_albums, num_artists, duration_ms = golden.MEASURES[pid]
        counted = {
            "num_tracks": num_tracks,
            "num_albums": num_albums,
            "num_artists": num_artists,
            "duration_ms": duration_ms,
        }
        expected.append(
            {
                "pid": pid,
                "name": title,
                "description": description,
                "collaborative": collaborative in (True, "true"),
                "num_distinct_tracks": distinct,
                "num_followers": followers,
                "num_edits": edits,
                "modified_at": MODIFIED_AT.get(pid, datetime(2017, 4, 29, tzinfo=UTC) + timedelta(days=pid % 20)),
                **counted,
                **{f"declared_{name}": declared.get(name, value) for name, value in counted.items()},
            }
        )
    columns = ", ".join(expected[0])
    assert golden_warehouse.rows(f"select {columns} from marts.playlists order by pid") == expected


def test_a_playlist_keeps_every_position_with_repeated_tracks(golden_warehouse: Warehouse) -> None:
    expected = [
        (
            pid,
            pos,
            uri("track", letter.lower()),
            uri("album", golden.CONFLICTS.get(letter, {}).get("album", golden.TRACKS[letter.lower()][1])),
            uri("artist", golden.CONFLICTS.get(letter, {}).get("artist", golden.TRACKS[letter.lower()][2])),
        )
        for pid, playlist in sorted(golden.PLAYLISTS.items())
        for pos, letter in enumerate(playlist[1])
    ]
    found = golden_warehouse.query(
        """
        select pid, pos, tracks.track_uri, albums.album_uri, artists.artist_uri
        from marts.playlist_tracks
        join marts.tracks on tracks.track_id = playlist_tracks.track_id
        join marts.albums on albums.album_id = playlist_tracks.album_id
        join marts.artists on artists.artist_id = playlist_tracks.artist_id
        order by pid, pos
        """
    )
    assert found == expected


def test_tracks(golden_warehouse: Warehouse) -> None:
    expected = sorted(
        (uri("track", letter), name, uri("album", album), uri("artist", artist), duration, golden.TRACK_ROWS[letter])
        for letter, (name, album, artist, duration) in golden.TRACKS.items()
    )
    found = golden_warehouse.query(
        "select track_uri, track_name, album_uri, artist_uri, duration_ms, track_appearances from marts.tracks"
    )
    assert sorted(found) == expected


def test_an_album_may_have_several_artists(golden_warehouse: Warehouse) -> None:
    expected = sorted(
        (uri("album", key), golden.ALBUMS[key], *contents) for key, contents in golden.ALBUM_CONTENTS.items()
    )
    found = golden_warehouse.query(
        "select album_uri, album_name, num_tracks, num_artists, track_appearances from marts.albums"
    )
    assert sorted((*row[:2], row[2], row[3], row[4]) for row in found) == expected


def test_artists_of_one_name_stay_two_artists(golden_warehouse: Warehouse) -> None:
    expected = sorted(
        (uri("artist", key), golden.ARTISTS[key], playlists, rows, tracks, sum(followers) / len(followers), median)
        for key, (playlists, rows, tracks, followers, median) in golden.PRESENCE.items()
    )
    found = golden_warehouse.query(
        "select artist_uri, artist_name, playlist_appearances, track_appearances, track_count, avg_followers,"
        " median_followers from marts.artists"
    )
    assert sorted(found) == expected


def test_playlist_features(golden_warehouse: Warehouse) -> None:
    expected = []
    for pid, (_, _, followers, _, collaborative, _, declared) in sorted(golden.PLAYLISTS.items()):
        num_tracks, _, num_albums, num_artists, duration_ms = golden.MEASURES[pid]
        expected.append(
            {
                "pid": pid,
                "num_tracks": num_tracks,
                "num_albums": num_albums,
                "duration_ms": duration_ms,
                "collaborative": collaborative in (True, "true"),
                "num_artists": declared.get("num_artists", num_artists),
                "unique_artists": num_artists,
                "tracks_per_artist": num_tracks / num_artists,
                "avg_tracks_per_album": num_tracks / num_albums,
                "avg_track_duration": duration_ms / num_tracks,
                "num_followers": followers,
            }
        )
    columns = ", ".join(expected[0])
    assert golden_warehouse.rows(f"select {columns} from features.playlist_features order by pid") == expected


def test_artist_features(golden_warehouse: Warehouse) -> None:
    expected = []
    for key, (playlists, _, tracks, followers, _) in golden.PRESENCE.items():
        mean = sum(followers) / len(followers)
        expected.append(
            {
                "artist_uri": uri("artist", key),
                "playlist_appearances": playlists,
                "avg_followers": mean,
                "track_count": tracks,
                "followers_per_playlist": mean / playlists,
                "tracks_per_playlist": tracks / playlists,
            }
        )
    expected.sort(key=lambda row: str(row["artist_uri"]))
    columns = ", ".join(expected[0])
    found = golden_warehouse.rows(f'select {columns} from features.artist_features order by artist_uri collate "C"')
    assert found == expected


def test_the_original_objects_come_back(golden_warehouse: Warehouse) -> None:
    found = dict(golden_warehouse.query("select pid, doc from staging.playlist_documents"))
    assert found == {pid: golden.playlist(pid) for pid in golden.PLAYLISTS}


def test_slices_land_once_in_their_order(golden_warehouse: Warehouse) -> None:
    """One with every playlist, an empty one, two with later versions, and a copy of the last."""
    found = golden_warehouse.query(
        """
        select outcome, playlists_landed, playlists_unchanged, playlists_superseding, playlists_rejected
        from staging.slices
        order by source
        """
    )
    assert found == [
        ("landed", 31, 0, 0, 2),
        ("landed", 0, 0, 0, 0),
        ("landed", 2, 1, 2, 0),
        ("landed", 1, 0, 1, 0),
        ("duplicate", 0, 0, 0, 0),
    ]


def test_earlier_versions_stay(golden_warehouse: Warehouse) -> None:
    found = golden_warehouse.query(
        """
        select pid, name, num_followers, cardinality(track_ids)
        from staging.playlists
        where superseded_at is not null
        order by pid, slice_id
        """
    )
    assert found == [(34, "Old title", 2, 2), (35, "Growing", 1, 1), (35, "Growing", 5, 2)]


def test_rejected_playlists_are_told_apart(golden_warehouse: Warehouse) -> None:
    found = golden_warehouse.query("select pid, reason from staging.open_rejects order by pid")
    assert found == [(37, "empty_name"), (38, "out_of_range")]


def test_wrong_declarations_are_found(golden_warehouse: Warehouse) -> None:
    found = golden_warehouse.query("select pid from marts.playlists where not is_declared_right order by pid")
    assert [pid for (pid,) in found] == sorted(pid for pid, playlist in golden.PLAYLISTS.items() if playlist[6])


def test_playlists_with_the_same_tracks_in_the_same_order_are_duplicates(golden_warehouse: Warehouse) -> None:
    found = golden_warehouse.query("select pid, duplicate_of_pid from marts.playlists where is_duplicate order by pid")
    assert found == [(36, 34), (999998, 4)]


def test_each_rule_of_the_dataset_says_how_many_rows_break_it(golden_warehouse: Warehouse) -> None:
    found = golden_warehouse.query("select rule, rows_broken from insights.data_quality where rows_broken > 0")
    assert dict(found) == golden.BROKEN_RULES


def test_everything_is_predicted_clustered_and_named(golden_warehouse: Warehouse) -> None:
    assert golden_warehouse.query(
        """
        select
            (select count(*) from marts.playlists where predicted_followers is null or last_processed is null),
            (select count(*) from marts.artists where cluster_id is null or cluster_name is null),
            (select count(*) from marts.playlists),
            (select count(distinct cluster_name) = count(distinct cluster_id) from marts.artists)
        """
    ) == [(0, 0, len(golden.PLAYLISTS), True)]


def test_overview(golden_warehouse: Warehouse) -> None:
    columns = ", ".join(golden.OVERVIEW)
    assert golden_warehouse.rows(f"select {columns} from insights.overview") == [golden.OVERVIEW]


def test_artist_performance(golden_warehouse: Warehouse) -> None:
    expected = sorted(
        (uri("artist", key), rank, ninths_fewer / 9, ninths_less_followed / 9)
        for key, (rank, ninths_fewer, ninths_less_followed) in golden.RANKS.items()
    )
    found = golden_warehouse.query(
        "select artist_uri, appearances_rank, appearances_percentile, followers_percentile"
        " from insights.artist_performance"
    )
    assert sorted(found) == expected


def test_playlists_are_compared_with_those_of_their_length(golden_warehouse: Warehouse) -> None:
    """Of 200 tracks and more there are two, of one artist each; their tracks last 1,000 ms, and 376,000 / 251."""
    artists_per_track = (1 / 250 + 1 / 251) / 2
    track_duration = (1000 + 376_000 / 251) / 2
    found = golden_warehouse.query(
        """
        select pid, length_band, comparable_playlists, comparable_artists_per_track, comparable_duration_ms
        from insights.playlist_performance
        where num_tracks >= 10
        order by pid
        """
    )
    assert [row[:3] for row in found] == [(25, "200+", 2), (26, "200+", 2)]
    assert [row[3] for row in found] == pytest.approx([artists_per_track] * 2, rel=1e-12)
    assert [row[4] for row in found] == pytest.approx([track_duration * 250, track_duration * 251], rel=1e-12)


def test_recommendations_follow_from_the_numbers_that_they_carry(golden_warehouse: Warehouse) -> None:
    """The rules, written a second time in Python over the marts."""
    playlists = golden_warehouse.rows("select * from insights.playlist_performance")
    expected = set()
    for row in playlists:
        if not row["is_underperforming"]:
            continue
        if row["num_artists"] / row["num_tracks"] < row["comparable_artists_per_track"] * 0.8:
            expected.add((row["pid"], "add_diverse_artists"))
        if abs(row["duration_ms"] - row["comparable_duration_ms"]) > 0.2 * row["comparable_duration_ms"]:
            expected.add((row["pid"], "adjust_duration"))
        if row["collaborative"]:
            expected.add((row["pid"], "review_collaborative"))
    found = golden_warehouse.query("select pid, recommendation from insights.playlist_recommendations")
    assert expected
    assert set(found) == expected


@pytest.mark.parametrize("column", ["pid", "track_id", "album_id", "artist_id"])
def test_bi_tools_see_how_the_tables_join(golden_warehouse: Warehouse, column: str) -> None:
    found = golden_warehouse.query(
        f"""
        select count(*) from pg_constraint
        join pg_attribute on attrelid = conrelid and array[attnum] = conkey
        where contype = 'f' and conrelid = 'marts.playlist_tracks'::regclass and attname = '{column}'
        """
    )
    assert found == [(1,)]


def test_comments_reach_the_database(golden_warehouse: Warehouse) -> None:
    missing = golden_warehouse.query(
        """
        select attrelid::regclass::text, attname
        from pg_attribute
        join pg_class on pg_class.oid = attrelid
        where relnamespace in ('marts'::regnamespace, 'insights'::regnamespace, 'features'::regnamespace)
            and relkind in ('r', 'v') and attnum > 0 and not attisdropped
            and col_description(attrelid, attnum) is null
        """
    )
    assert missing == []
