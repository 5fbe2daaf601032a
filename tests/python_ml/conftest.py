"""Made features whose answer is known, as frames and as the relations that dbt would build."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from psycopg import Connection

from python_ml import artist_trends

PLAYLIST_RELATION = """
create schema if not exists features;
create table features.playlist_features (
    pid int, num_tracks int, num_albums int, duration_ms bigint, collaborative boolean, num_artists int,
    unique_artists int, tracks_per_artist float8, avg_tracks_per_album float8, avg_track_duration float8,
    has_description boolean, num_edits int, modified_day int, title_words int, title_length int, genre_number int,
    repeated_share float8, num_followers int, features_digest bigint
);
"""
ARTIST_RELATION = """
create schema if not exists features;
create table features.artist_features (
    artist_uri text, playlist_appearances bigint, avg_followers float8, track_count bigint,
    followers_per_playlist float8, tracks_per_playlist float8, features_digest bigint
);
"""


def made_playlists(count: int = 300, seed: int = 1) -> pd.DataFrame:
    """Playlists, indexed by pid, whose followers follow exactly from their number of tracks."""
    draw = np.random.default_rng(seed)
    num_tracks = draw.integers(5, 250, count)
    unique_artists = np.minimum(num_tracks, draw.integers(1, 60, count))
    num_albums = np.minimum(num_tracks, draw.integers(1, 80, count))
    duration_ms = num_tracks * draw.integers(150_000, 300_000, count)
    frame = pd.DataFrame(
        {
            "num_tracks": num_tracks,
            "num_artists": unique_artists + draw.integers(0, 2, count),
            "num_albums": num_albums,
            "duration_ms": duration_ms,
            "collaborative": draw.random(count) < 0.1,
            "tracks_per_artist": num_tracks / unique_artists,
            "avg_tracks_per_album": num_tracks / num_albums,
            "avg_track_duration": duration_ms / num_tracks,
            "unique_artists": unique_artists,
            "has_description": draw.random(count) < 0.02,
            "num_edits": draw.integers(1, 90, count),
            "modified_day": draw.integers(15_000, 17_500, count),
            "title_words": draw.integers(0, 5, count),
            "title_length": draw.integers(0, 30, count),
            "genre_number": draw.integers(0, 36, count),
            "repeated_share": np.where(draw.random(count) < 0.8, 0, draw.random(count) / 5),
            "num_followers": 1 + num_tracks // 25 * 3,
        },
        index=pd.RangeIndex(count, name="pid"),
    )
    return frame.astype("float64")


def skewed_playlists(count: int = 4_000, seed: int = 1) -> pd.DataFrame:
    """Playlists with all features and followers as skewed as real ones, which edits and a description raise."""
    draw = np.random.default_rng(seed)
    playlists = made_playlists(count, seed).assign(
        has_description=(draw.random(count) < 0.2).astype("float64"),
        num_edits=np.ceil(draw.lognormal(2, 1, count)),
        modified_day=np.floor(draw.exponential(300, count)),
        title_words=draw.integers(1, 5, count).astype("float64"),
        title_length=draw.integers(3, 30, count).astype("float64"),
        genre_number=draw.integers(0, 17, count).astype("float64"),
        repeated_share=draw.random(count) * (draw.random(count) < 0.3),
    )
    pull = 1.5 * (np.log(playlists["num_edits"]) - 2 + 2 * playlists["has_description"])
    several = draw.random(count) < 1 / (1 + np.exp(1.2 - pull))
    followers = np.where(several, 1 + np.ceil(np.exp(0.3 * pull) * draw.pareto(1.8, count)), 1.0)
    return playlists.assign(num_followers=followers)


CENTRES = np.array([[10, 2, 5], [4_000, 3, 60], [300, 90, 40], [60, 4, 900], [900, 40, 300]])


def made_artists(members: int = 30, seed: int = 1) -> pd.DataFrame:
    """Artists in five groups far apart, indexed by artist_uri; `planted` is the group."""
    draw = np.random.default_rng(seed)
    planted = draw.permutation(np.repeat(np.arange(len(CENTRES)), members))
    measures = CENTRES[planted] * draw.uniform(0.98, 1.02, (len(planted), 3))
    appearances, tracks = np.ceil(measures[:, 0]), np.ceil(measures[:, 2])
    return pd.DataFrame(
        {
            "playlist_appearances": appearances,
            "avg_followers": measures[:, 1],
            "track_count": tracks,
            "followers_per_playlist": measures[:, 1] / appearances,
            "tracks_per_playlist": tracks / appearances,
            "planted": planted,
        },
        index=pd.Index([f"spotify:artist:{number:022d}" for number in range(len(planted))], name="artist_uri"),
    )


def made_heavy_tailed_artists(count: int = 2_000, seed: int = 1) -> pd.DataFrame:
    """Artists as a large collection has them: most in one or two playlists, a few in very many."""
    draw = np.random.default_rng(seed)
    appearances = np.minimum(np.floor(draw.random(count) ** -1.6), 250_000)
    averaged = np.minimum(appearances, 300).astype(int)
    followers = np.floor(draw.random(averaged.sum()) ** -0.5)
    avg_followers = np.add.reduceat(followers, np.cumsum(averaged) - averaged) / averaged
    tracks = np.ceil(appearances**0.6 * draw.lognormal(0, 0.8, count))
    return pd.DataFrame(
        {
            "playlist_appearances": appearances,
            "avg_followers": avg_followers,
            "track_count": tracks,
            "followers_per_playlist": avg_followers / appearances,
            "tracks_per_playlist": tracks / appearances,
        },
        index=pd.Index([f"spotify:artist:{number:022d}" for number in range(count)], name="artist_uri"),
    )


@pytest.fixture(scope="session")
def playlists() -> pd.DataFrame:
    return made_playlists()


@pytest.fixture(scope="session")
def effect() -> pd.DataFrame:
    return skewed_playlists()


@pytest.fixture
def skewed() -> Callable[[int, int], pd.DataFrame]:
    """Makes so many playlists by a seed; see `skewed_playlists`."""
    return skewed_playlists


@pytest.fixture(scope="session")
def artists() -> pd.DataFrame:
    return made_artists()


@pytest.fixture
def heavy_tailed() -> pd.DataFrame:
    return made_heavy_tailed_artists()


Store = Callable[[Connection, pd.DataFrame, pd.DataFrame], None]


@pytest.fixture(scope="session")
def store() -> Store:
    """Puts frames where dbt would have built the feature views, last row first, in the place of what is there."""

    def put(connection: Connection, playlists: pd.DataFrame, artists: pd.DataFrame) -> None:
        connection.execute("drop schema if exists features cascade")
        connection.execute(PLAYLIST_RELATION)
        connection.execute(ARTIST_RELATION)
        whole = playlists.astype(
            {
                **dict.fromkeys(["num_tracks", "num_artists", "num_albums", "duration_ms", "unique_artists"], "int64"),
                **dict.fromkeys(["num_edits", "modified_day", "title_words", "title_length", "genre_number"], "int64"),
                **dict.fromkeys(["collaborative", "has_description"], "bool"),
                "num_followers": "int64",
            }
        ).assign(features_digest=np.arange(len(playlists)))
        put_rows(connection, "features.playlist_features", whole)
        whole = artists[list(artist_trends.FEATURES)].astype({"playlist_appearances": "int64", "track_count": "int64"})
        whole = whole.assign(features_digest=np.arange(len(artists)))
        put_rows(connection, "features.artist_features", whole)
        connection.commit()

    return put


def put_rows(connection: Connection, relation: str, frame: pd.DataFrame) -> None:
    rows = frame.iloc[::-1].reset_index()
    with connection.cursor() as cursor, cursor.copy(f"copy {relation} ({', '.join(rows.columns)}) from stdin") as copy:
        for row in rows.itertuples(index=False):
            copy.write_row(row)
