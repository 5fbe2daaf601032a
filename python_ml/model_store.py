"""Keep fitted models in the database: written by skops, which holds no code, and read only as they were written."""

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from psycopg import Connection
from skops.io import dumps, get_untrusted_types, loads

from python_ml.errors import ModelUnusable

TRUSTED = frozenset(
    {
        "functools.partial",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
        "sklearn.utils.validation.check_array",
    }
)
"""The types in our models that skops does not trust by itself: parts of scikit-learn, and a way to call one."""


def store(connection: Connection, run_id: int, model: Mapping[str, Any]) -> None:
    """Keep the model of a run, within the caller's transaction.

    Args:
        connection: Open.
        run_id: A row of `ml.model_runs`.
        model: Estimators of scikit-learn, numpy arrays and plain values.

    Raises:
        ModelUnusable: It has a part that could not be read back.
    """
    content = dumps(dict(model))
    _refuse_strangers(run_id, content)
    connection.execute(
        "insert into ml.models (run_id, content, sha256, scikit_learn) values (%s, %s, %s, %s)",
        [run_id, content, hashlib.sha256(content).hexdigest(), version("scikit-learn")],
    )


def load(connection: Connection, run_id: int) -> dict[str, Any]:
    """Return the model of a run.

    Raises:
        ModelUnusable: There is none, it is not as it was written, or another scikit-learn wrote it.
    """
    check(connection, run_id)
    [(content,)] = connection.execute(
        "select content from ml.models where run_id = %s", [run_id], binary=True
    ).fetchall()
    _refuse_strangers(run_id, content)
    model: dict[str, Any] = loads(content, trusted=sorted(TRUSTED))
    return model


def check(connection: Connection, run_id: int) -> None:
    """Make sure that the model of a run could be read.

    Raises:
        ModelUnusable: There is none, it is not as it was written, or another scikit-learn wrote it. The message says
            what to do.
    """
    row = connection.execute(
        "select encode(sha256(content), 'hex') = sha256, scikit_learn from ml.models where run_id = %s", [run_id]
    ).fetchone()
    if row is None:
        raise ModelUnusable(f"run {run_id} has no stored model; train again with `mixhouse train`")
    is_as_written, writer = row
    if not is_as_written:
        raise ModelUnusable(
            f"the stored model of run {run_id} is not what was written; train again with `mixhouse train`"
        )
    if writer != version("scikit-learn"):
        raise ModelUnusable(
            f"the model of run {run_id} was written by scikit-learn {writer}, and this is {version('scikit-learn')}; "
            "train again with `mixhouse train`, or install that version"
        )


def _refuse_strangers(run_id: int, content: bytes) -> None:
    strangers = set(get_untrusted_types(data=content)) - TRUSTED
    if strangers:
        raise ModelUnusable(
            f"the model of run {run_id} holds {', '.join(sorted(strangers))}, which is none of ours; "
            "train again with `mixhouse train`"
        )
