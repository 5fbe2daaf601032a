"""Models: trainings, how good they are, and what they look at."""

from datetime import datetime
from typing import Any

import flask
from pydantic import BaseModel, ConfigDict, Field

from web.api.resource import Problem, Search, answer, blueprint
from web.database import warehouse
from web.problems import NotFound

models = blueprint("models", "Models", "Trainings, and how good their models are.")


class ModelRunPath(BaseModel):
    """Which training."""

    run_id: int = Field(ge=1, le=2**63 - 1)


class ModelRun(BaseModel):
    """A training, or a scoring of what is new with the model of one."""

    run_id: int
    model: str = Field(description="`playlist_popularity` or `artist_trends`.")
    trigger: str
    status: str
    is_serving: bool
    champion: str | None = Field(description="The kind of model that won the comparison.")
    scored_with: int | None = Field(description="The training whose model it used, if it trained none.")
    rows_read: int | None
    started_at: datetime
    finished_at: datetime | None
    reason: str | None
    error: str | None


class ModelMetric(BaseModel):
    """A measure."""

    candidate: str | None = Field(description="The kind of model; null for the one as specified.")
    metric: str
    scale: str | None
    split: str | None = Field(description="What it was measured on.")
    value: float | None


class ModelImportance(BaseModel):
    """How much a feature matters."""

    method: str = Field(description="`impurity`, of the forest as specified; `permutation`, of the model that won.")
    feature: str
    importance: float | None


class ModelRunWithMetrics(ModelRun):
    """A training, with all that was measured."""

    model_config = ConfigDict(protected_namespaces=())

    params: dict[str, Any]
    library_versions: dict[str, Any]
    metrics: list[ModelMetric]
    feature_importances: list[ModelImportance]


class ModelRunList(BaseModel):
    """A part of the list of trainings."""

    model_runs: list[ModelRun]
    next_offset: int | None = Field(description="The offset of the next part; null at the end of what can be paged.")

    model_config = ConfigDict(protected_namespaces=())


class Performance(BaseModel):
    """A measure of a model that serves, beside constants and the target of the report."""

    model_config = ConfigDict(protected_namespaces=())

    run_id: int
    model_name: str
    metric: str
    scale: str | None
    split: str | None
    metric_value: float | None
    baseline_one: float | None = Field(description="The same, had the answer always been one follower.")
    baseline_median: float | None
    baseline_mean: float | None
    target_value: float | None
    is_target_met: bool | None
    rows_read: int | None
    finished_at: datetime | None


class Performances(BaseModel):
    """The measures of the models that serve."""

    metrics: list[Performance]


@models.get("/model_runs", summary="List the trainings", responses={200: ModelRunList})
def list_model_runs(query: Search) -> flask.Response:
    """Trainings and scorings, the latest first."""
    rows = warehouse().rows("model_runs", limit=query.limit, offset=query.offset)
    return answer(ModelRunList.model_validate({"model_runs": rows, "next_offset": query.next_offset(rows)}))


@models.get("/model_runs/<run_id>", summary="Look at a training", responses={200: ModelRunWithMetrics, 404: Problem})
def get_model_run(path: ModelRunPath) -> flask.Response:
    """A training with all that was measured of every candidate, and what the features mattered."""
    row = warehouse().row("model_run", run_id=path.run_id)
    if row is None:
        raise NotFound(f"There is no training {path.run_id}.")
    metrics = warehouse().rows("model_run_metrics", run_id=path.run_id)
    importances = warehouse().rows("model_run_importances", run_id=path.run_id)
    found = row | {"metrics": metrics, "feature_importances": importances}
    return answer(ModelRunWithMetrics.model_validate(found))


@models.get("/model_performance", summary="Say how good the models are", responses={200: Performances, 409: Problem})
def get_model_performance() -> flask.Response:
    """What was measured of the models that serve, beside constant answers and the targets of the report."""
    return answer(Performances.model_validate({"metrics": warehouse().cached("model_performance")}))
