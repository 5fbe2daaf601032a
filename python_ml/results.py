"""Publish what a training found: all of it in one transaction, or nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from psycopg import Connection, sql

from python_ml import artist_trends, playlist_popularity
from python_ml.evaluation import Metric

_ROWS_A_WRITE = 100_000


@dataclass(frozen=True)
class Results:
    """What one training found.

    Attributes:
        rows: One row a playlist or artist, indexed by its key, with the columns of the model's result table.
        metrics: What was measured.
        importances: Importance of each feature by method; empty for a model that has none.
    """

    rows: pd.DataFrame
    metrics: Sequence[Metric]
    importances: Mapping[str, pd.Series] = field(default_factory=dict)


@dataclass(frozen=True)
class _Table:
    name: str
    time_column: str


_TABLES = {
    playlist_popularity.MODEL: _Table("playlist_predictions", "predicted_at"),
    artist_trends.MODEL: _Table("artist_clusters", "assigned_at"),
}


def publish(connection: Connection, run_id: int, model: str, results: Results, features_sha256: str) -> None:
    """Store the results of a run and let it serve in the place of the one before.

    Readers see the old results until the transaction ends, and the new ones from then on.

    Args:
        connection: Open, outside a transaction or inside the caller's.
        run_id: A row of `ml.model_runs` with status `running`.
        model: The model of that run.
        results: What to store.
        features_sha256: Digest of the features that it was fitted on.

    Raises:
        psycopg.Error: the database refused something; nothing was stored and the previous run serves.
    """
    table = _TABLES[model]
    with connection.transaction(), connection.cursor() as cursor:
        _copy_rows(connection, run_id, table, results.rows)
        cursor.executemany(
            "insert into ml.model_metrics (run_id, metric, scale, split, value) values (%s, %s, %s, %s, %s)",
            [(run_id, *measured) for candidate, *measured in results.metrics if candidate is None],
        )
        cursor.executemany(
            "insert into ml.feature_importances (run_id, method, feature, importance) values (%s, %s, %s, %s)",
            [
                (run_id, method, feature, float(importance))
                for method, by_feature in results.importances.items()
                for feature, importance in by_feature.items()
            ],
        )
        cursor.execute("update ml.model_runs set serving = false where model = %s and serving", [model])
        cursor.execute(
            "update ml.model_runs"
            " set status = 'succeeded', serving = true, finished_at = clock_timestamp(),"
            " rows_read = %s, features_sha256 = %s"
            " where run_id = %s",
            [len(results.rows), features_sha256, run_id],
        )


def _copy_rows(connection: Connection, run_id: int, table: _Table, rows: pd.DataFrame) -> None:
    target = sql.Identifier("ml", table.name)
    columns = ["run_id", str(rows.index.name), *rows.columns, table.time_column]
    with connection.cursor() as cursor:
        now = str(cursor.execute("select now()::text").fetchall()[0][0])
        copy_in = sql.SQL("copy {} ({}) from stdin (format csv)").format(
            target, sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        with cursor.copy(copy_in) as copy:
            for chunk in _as_csv(rows, run_id, now):
                copy.write(chunk)
        # What is built on the results next is planned before autovacuum has seen them.
        cursor.execute(sql.SQL("analyze {}").format(target))


def _as_csv(rows: pd.DataFrame, run_id: int, now: str) -> Iterator[str]:
    for start in range(0, len(rows), _ROWS_A_WRITE):
        chunk = rows.iloc[start : start + _ROWS_A_WRITE].reset_index()
        chunk.insert(0, "run_id", run_id)
        chunk["at"] = now
        yield chunk.to_csv(header=False, index=False)
