"""Read the feature views, the contract between dbt and the models."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
import pandas as pd
from psycopg import Connection, errors, sql

from python_ml import artist_trends, playlist_popularity
from python_ml.errors import FeaturesInvalid, FeaturesMissing

_BOOLEANS = frozenset({"collaborative", "has_description"})


@dataclass(frozen=True)
class FeatureView:
    """A view that dbt makes, and the one that has what the model that serves says of its rows.

    Attributes:
        name: The view, in schema `features`.
        key: The column that tells its rows apart.
        key_type: The pandas type of the key.
        key_order: How rows are ordered, in SQL.
        columns: What models read, in their order.
        serving: The view of the results in use, in schema `ml`.
    """

    name: str
    key: str
    key_type: str
    key_order: sql.SQL
    columns: tuple[str, ...]
    serving: str


PLAYLISTS = FeatureView(
    "playlist_features",
    "pid",
    "int64",
    sql.SQL("pid"),
    (*playlist_popularity.ALL_FEATURES, playlist_popularity.TARGET),
    "serving_predictions",
)
ARTISTS = FeatureView(
    "artist_features",
    "artist_uri",
    "str",
    sql.SQL('artist_uri collate "C"'),
    artist_trends.FEATURES,
    "serving_clusters",
)


@dataclass(frozen=True)
class Features:
    """Rows of a feature view.

    Attributes:
        frame: One row a playlist or artist, indexed by its key and ordered by it (strings by their code points); the
            view's `columns`, all float64, no nulls. Booleans are 0 or 1, durations in milliseconds.
        digests: `features_digest` of each row, int64, indexed alike.
    """

    frame: pd.DataFrame
    digests: pd.Series


def read(connection: Connection, view: FeatureView, *, only_unprocessed: bool = False) -> Features:
    """Read a feature view.

    Args:
        connection: Open.
        view: Which one.
        only_unprocessed: Only the rows that the model that serves has not scored as they are now.

    Raises:
        FeaturesMissing: the view or one of its columns does not exist.
        FeaturesInvalid: a value is null or not finite; the message names the column.
    """
    columns = [
        sql.SQL("features.{0}::integer as {0}" if name in _BOOLEANS else "features.{}").format(sql.Identifier(name))
        for name in (view.key, *view.columns, "features_digest")
    ]
    query = sql.SQL("copy (select {} {} order by features.{}) to stdout (format csv, header)").format(
        sql.SQL(", ").join(columns), _rows(view, only_unprocessed=only_unprocessed), view.key_order
    )
    relation = f"features.{view.name}"
    try:
        with connection.cursor() as cursor, cursor.copy(query) as copy:
            csv = io.BytesIO(b"".join(copy))
    except (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName) as error:
        raise _missing(relation, error) from error
    frame = pd.read_csv(
        csv,
        index_col=view.key,
        dtype={view.key: view.key_type, "features_digest": "int64", **dict.fromkeys(view.columns, "float64")},
        keep_default_na=False,
        na_values={column: ["", "NaN"] for column in view.columns},
    )
    features = frame[list(view.columns)]
    _refuse_gaps(features, relation)
    return Features(features, frame["features_digest"])


def count_unprocessed(connection: Connection, view: FeatureView) -> int:
    """Count the rows of a view that the model that serves has not scored as they are now.

    Raises:
        FeaturesMissing: the view does not exist yet.
    """
    try:
        rows = _rows(view, only_unprocessed=True)
        [(count,)] = connection.execute(sql.SQL("select count(*) {}").format(rows)).fetchall()
    except (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName) as error:
        raise _missing(f"features.{view.name}", error) from error
    return int(count)


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


def _rows(view: FeatureView, *, only_unprocessed: bool) -> sql.Composed:
    rows = sql.SQL("from features.{} as features").format(sql.Identifier(view.name))
    if not only_unprocessed:
        return rows
    return sql.SQL(
        """
        {rows}
        left join ml.{serving} as scored using ({key})
        where scored.features_digest is distinct from features.features_digest
        """
    ).format(rows=rows, serving=sql.Identifier(view.serving), key=sql.Identifier(view.key))


def _missing(relation: str, error: errors.Error) -> FeaturesMissing:
    return FeaturesMissing(f"{relation} is not ready: {error.diag.message_primary}; build it with `mixhouse build`")


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
