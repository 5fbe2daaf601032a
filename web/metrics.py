"""Figures for Prometheus: what is asked for and how long that takes, and how the warehouse is."""

import time
from collections.abc import Iterator

import flask
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from web.database import Row, Warehouse
from web.problems import Problem

METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
_GAUGES = {
    "runs_queued": ("mixhouse_runs_queued", "Runs that wait for the worker."),
    "runs_running": ("mixhouse_runs_running", "Runs that are at hand."),
    "last_run_failed": ("mixhouse_last_run_failed", "1 if the run that ended last has failed, else 0."),
    "last_training_failed": (
        "mixhouse_last_training_failed",
        "1 if the training or scoring that ended last has failed.",
    ),
    "last_load": ("mixhouse_last_load_timestamp_seconds", "When a load ended that landed what it could."),
    "last_build": ("mixhouse_last_build_timestamp_seconds", "When a build ended well."),
    "last_training": ("mixhouse_last_training_timestamp_seconds", "When a training ended well."),
    "playlists": ("mixhouse_playlists", "Playlists in the marts."),
    "data_errors": ("mixhouse_data_errors", "Rows that break a rule that the dataset is held to."),
    "playlists_rejected": ("mixhouse_playlists_rejected", "Playlists that are kept aside."),
}
"""By column of `web/queries/metrics.sql` and `web/queries/metrics_built.sql`."""


def register(app: flask.Flask, warehouse: Warehouse) -> CollectorRegistry:
    """Count and time every request from now on; return what `/metrics` shows.

    Requests are known by the rule that they match, which are as many as the application has, whatever is asked for.
    """
    registry = CollectorRegistry()
    requests = Counter(
        "mixhouse_http_requests", "Requests that were answered.", ["endpoint", "method", "status"], registry=registry
    )
    seconds = Histogram(
        "mixhouse_http_request_seconds",
        "How long it took to answer, but for sending what is long.",
        ["endpoint", "method"],
        buckets=_BUCKETS,
        registry=registry,
    )
    registry.register(_OfWarehouse(warehouse))
    app.extensions["metrics"] = registry

    def begin(sender: flask.Flask, **_: object) -> None:
        flask.g.begun = time.perf_counter()

    def end(sender: flask.Flask, response: flask.Response, **_: object) -> None:
        rule = flask.request.url_rule
        endpoint = "none" if rule is None else rule.rule
        method = flask.request.method if flask.request.method in METHODS else "other"
        requests.labels(endpoint, method, str(response.status_code)).inc()
        seconds.labels(endpoint, method).observe(time.perf_counter() - flask.g.begun)

    # They live as long as the application.
    flask.request_started.connect(begin, app, weak=False)
    flask.request_finished.connect(end, app, weak=False)
    return registry


class _OfWarehouse(Collector):
    """What is read when it is asked for."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def describe(self) -> list[Metric]:
        """Say nothing of what will come: that would need the database as soon as this is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give the figures, of the database those that it gives."""
        pool = self._warehouse.engine.pool
        yield _gauge("mixhouse_pool_connections_in_use", "Connections lent.", pool.checkedout())  # type: ignore[attr-defined]
        yield _gauge("mixhouse_pool_connections_idle", "Connections kept.", pool.checkedin())  # type: ignore[attr-defined]
        row = self._row("metrics")
        yield _gauge("mixhouse_database_up", "Whether the database answers.", row is not None)
        # What is not built yet is left out, like what a database that is away would say.
        built = None if row is None else self._row("metrics_built")
        for column, value in ((row or {}) | (built or {})).items():
            if value is not None:
                yield _gauge(*_GAUGES[column], float(value))

    def _row(self, query: str) -> Row | None:
        try:
            return self._warehouse.row(query)
        except Problem:
            return None


def _gauge(name: str, documentation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, value=value)
