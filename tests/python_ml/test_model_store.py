"""What is stored is read back to the last digit, and nothing else is read."""

import hashlib
from typing import Any

import numpy as np
import pytest
from psycopg import Connection
from sklearn.cluster import KMeans
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from skops.io import dumps

from python_ml import model_store
from python_ml.errors import ModelUnusable


@pytest.fixture
def run_id(connection: Connection) -> int:
    [(run_id,)] = connection.execute(
        "insert into ml.model_runs (model, trigger, status, params, library_versions)"
        " values ('playlist_popularity', 'demand', 'running', '{}', '{}') returning run_id"
    ).fetchall()
    return int(run_id)


def test_a_model_comes_back_as_it_was(connection: Connection, run_id: int) -> None:
    draw = np.random.default_rng(1)
    inputs, target = draw.random((200, 3)), draw.integers(1, 9, 200)
    model: dict[str, Any] = {
        "forest": RandomForestRegressor(n_estimators=5, random_state=1).fit(inputs, target),
        "boosting": HistGradientBoostingRegressor(loss="poisson", max_iter=5).fit(inputs, target),
        "clusters": KMeans(2, n_init=1, random_state=1).fit(inputs),
        "edges": np.array([1.5, 2.5]),
        "features": ["a", "b", "c"],
        "share": 0.8,
    }
    model_store.store(connection, run_id, model)
    found = model_store.load(connection, run_id)
    assert found["features"] == ["a", "b", "c"]
    assert found["share"] == 0.8
    assert found["edges"].tolist() == [1.5, 2.5]
    for name in ("forest", "boosting", "clusters"):
        assert found[name].predict(inputs).tolist() == model[name].predict(inputs).tolist()


def test_a_run_without_a_model_says_so(connection: Connection, run_id: int) -> None:
    with pytest.raises(ModelUnusable, match=rf"run {run_id} has no stored model.*mixhouse train"):
        model_store.load(connection, run_id)


def test_a_model_that_was_altered_is_refused(connection: Connection, run_id: int) -> None:
    model_store.store(connection, run_id, {"share": 0.8})
    connection.execute("update ml.models set content = set_byte(content, 40, get_byte(content, 40) # 1)")
    with pytest.raises(ModelUnusable, match="not what was written"):
        model_store.load(connection, run_id)


def test_a_model_of_another_version_is_refused_with_what_to_do(connection: Connection, run_id: int) -> None:
    model_store.store(connection, run_id, {"share": 0.8})
    connection.execute("update ml.models set scikit_learn = '0.1'")
    with pytest.raises(ModelUnusable, match=r"written by scikit-learn 0\.1.*or install that version"):
        model_store.check(connection, run_id)


def test_a_type_that_is_none_of_ours_is_neither_stored_nor_read(connection: Connection, run_id: int) -> None:
    stranger = {"model": DummyRegressor(), "type": Stranger()}
    with pytest.raises(ModelUnusable, match="Stranger"):
        model_store.store(connection, run_id, stranger)
    content = dumps(stranger)
    connection.execute(
        "insert into ml.models (run_id, content, sha256, scikit_learn) select %s, %s, %s, split_part(%s, ' ', 1)",
        [run_id, content, hashlib.sha256(content).hexdigest(), model_store.version("scikit-learn")],
    )
    with pytest.raises(ModelUnusable, match="Stranger"):
        model_store.load(connection, run_id)


class Stranger:
    """Something that a model of ours never holds."""
