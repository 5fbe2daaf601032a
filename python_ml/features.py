"""Read the feature views, the contract between dbt and the models."""

import hashlib
import io
from typing import LiteralString

import numpy as np
import pandas as pd
from psycopg import Connection, errors

from python_ml import artist_trends, playlist_popularity
from python_ml.errors import FeaturesInvalid, FeaturesMissing

_PLAYLISTS: LiteralString = """
copy (
    select
        pid,
        num_tracks,
        num_artists,
        num_albums,
        duration_ms,
        collaborative::integer as collaborative,
        tracks_per_artist,
        avg_tracks_per_album,
        avg_track_duration,
        unique_artists,
        num_followers
    from features.playlist_features
    order by pid
) to stdout (format csv, header)
"""

_ARTISTS: LiteralString = """
copy (
    select
        artist_uri,
        playlist_appearances,
        avg_followers,
        track_count,
        followers_per_playlist,
        tracks_per_playlist
    from features.artist_features
    order by artist_uri collate "C"
) to stdout (format csv, header)
"""


def playlist_features(connection: Connection) -> pd.DataFrame:
    """Read the features that playlist popularity is fitted on.

    Returns:
        One row a playlist, indexed by `pid` (integer) and ordered by it; columns `playlist_popularity.FEATURES`, then
        the target `num_followers`, all float64, no nulls. Durations are in milliseconds, `collaborative` is 0 or 1.

    Raises:
        FeaturesMissing: `features.playlist_features` or one of its columns does not exist.
        FeaturesInvalid: a value is null or not finite; the message names the column.
    """
    columns = (*playlist_popularity.FEATURES, playlist_popularity.TARGET)
    return _read(connection, "features.playlist_features", _PLAYLISTS, "pid", "int64", columns)


def artist_features(connection: Connection) -> pd.DataFrame:
    """Read the features that artists are clustered on.

    Returns:
        One row an artist, indexed by `artist_uri` (string) and ordered by its code points; columns
        `artist_trends.FEATURES`, all float64, no nulls.

    Raises:
        FeaturesMissing: `features.artist_features` or one of its columns does not exist.
        FeaturesInvalid: a value is null or not finite; the message names the column.
    """
    return _read(connection, "features.artist_features", _ARTISTS, "artist_uri", "str", artist_trends.FEATURES)


def digest(features: pd.DataFrame) -> str:
    """Identify a feature frame by its content: names, order, keys and values.

    Args:
        features: Float64 columns, indexed by integers or strings.

    Returns:
        SHA-256 in hexadecimal, the same for the same content on any platform.
    """
    sha256 = hashlib.sha256()
    sha256.update("\0".join([str(features.index.name), *features.columns]).encode())
    if pd.api.types.is_integer_dtype(features.index.dtype):
        sha256.update(features.index.to_numpy(dtype="<i8").tobytes())
    else:
        sha256.update("\0".join(features.index).encode())
    # Adding zero turns the negative zero into the positive one, which equals it but has other bytes.
    sha256.update((features.to_numpy(dtype="<f8") + 0.0).tobytes(order="C"))
    return sha256.hexdigest()


def _read(
    connection: Connection, relation: str, query: LiteralString, key: str, key_type: str, columns: tuple[str, ...]
) -> pd.DataFrame:
    try:
        with connection.cursor() as cursor, cursor.copy(query) as copy:
            csv = io.BytesIO(b"".join(copy))
    except (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName) as error:
        raise FeaturesMissing(
            f"{relation} is not ready: {error.diag.message_primary}; build it with `mixhouse build`"
        ) from error
    frame = pd.read_csv(
        csv,
        index_col=key,
        dtype={key: key_type, **dict.fromkeys(columns, "float64")},
        keep_default_na=False,
        na_values={column: ["", "NaN"] for column in columns},
    )[list(columns)]
    _refuse_gaps(frame, relation)
    return frame


def _refuse_gaps(frame: pd.DataFrame, relation: str) -> None:
    finite = np.isfinite(frame.to_numpy())
    if finite.all():
        return
    row, column = np.argwhere(~finite)[0]
    count = int((~finite[:, column]).sum())
    raise FeaturesInvalid(
        f"{relation}.{frame.columns[column]} is null or not finite in {count:,} of {len(frame):,} rows, "
        f"first where {frame.index.name} is {frame.index[row]}; correct the data or the model and run `mixhouse build`"
    )
