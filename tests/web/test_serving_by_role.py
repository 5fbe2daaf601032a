"""Who serves and who works as users with the roles for it and no other; and a proxy in front."""

from collections.abc import Callable

import psycopg
import pytest
from commands import Warehouse
from serving import Process, Server

StartServer = Callable[..., Server]
PASSWORD = "for tests only"  # noqa: S105


@pytest.fixture(scope="module")
def owner(new_web_warehouse: Callable[..., Warehouse]) -> Warehouse:
    warehouse = new_web_warehouse()
    warehouse.run("mixhouse", "db", "roles")
    secret = Warehouse(warehouse.variables | {"MIXHOUSE_USER_PASSWORD": PASSWORD})
    secret.run("mixhouse", "db", "user", "only_serves", "--role", "web")
    secret.run("mixhouse", "db", "user", "only_works", "--role", "transformer", "--role", "ml")
    return warehouse


def user(owner: Warehouse, name: str) -> Warehouse:
    return Warehouse(owner.variables | {"PGUSER": name, "PGPASSWORD": PASSWORD})


def test_who_serves_asks_and_who_works_does(owner: Warehouse, start_server: StartServer) -> None:
    server = start_server(owner, "--no-worker", PGUSER="only_serves", PGPASSWORD=PASSWORD)
    assert server.ask("GET", "/readyz").json()["is_built"] is True
    run_id = server.start_run("build")
    works = user(owner, "only_works")
    worker = Process.start("worker", "--schedule", "never", variables=works.variables)
    try:
        done = server.wait_for_run(run_id, "succeeded", "failed")
    finally:
        assert worker.end() == 0
    assert (done["status"], done["attempts"]) == ("succeeded", 1), done


@pytest.mark.parametrize(
    "statement",
    [
        "update ops.runs set status = 'queued'",
        "update jobs.procrastinate_jobs set status = 'todo'",
        "delete from jobs.procrastinate_jobs",
        "insert into ops.run_messages (run_id, level, message) values (1, 'INFO', 'done')",
        "insert into ops.api_keys (name, sha256) values ('mine', 'x')",
        "select count(*) from staging.playlists",
    ],
)
def test_who_serves_does_nothing_else(owner: Warehouse, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        user(owner, "only_serves").query(statement)


def test_a_queue_that_is_not_there_is_asked_of_the_owner(
    owner: Warehouse, new_web_warehouse: Callable[..., Warehouse]
) -> None:
    with owner.connect() as connection:
        connection.execute("drop schema jobs cascade")
    for command in ("serve", "worker"):
        refused = user(owner, "only_serves").run("mixhouse", command, code=3)
        assert "lacks the queue of runs" in refused.stderr
        assert "mixhouse db roles" in refused.stderr
    owner.run("mixhouse", "db", "roles")


def test_a_proxy_is_believed_and_its_name_is_answered(owner: Warehouse, start_server: StartServer) -> None:
    server = start_server(owner, "--no-worker", "--trusted-proxy", "127.0.0.1")
    told = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Host": "mixhouse.example", "X-Forwarded-Proto": "https"}
    # Everything needs a key, and a page of the name that the proxy has is no page of another site.
    server_without_key = Server(server.process, server.address)
    assert server_without_key.ask("GET", "/runs", **told).status == 401
    started = server.ask("POST", "/runs", {"kind": "build"}, Origin="https://mixhouse.example", **told)
    assert started.status == 202, started.body
    assert server.ask("POST", "/runs", {"kind": "docs"}, Origin="https://elsewhere.example", **told).status == 403


def test_without_a_proxy_other_names_are_not_answered(owner: Warehouse, start_server: StartServer) -> None:
    server = start_server(owner, "--no-worker")
    assert server.ask("GET", "/runs", Host="mixhouse.example").status == 403
    told = {"X-Forwarded-Host": "mixhouse.example", "X-Forwarded-For": "203.0.113.7"}
    assert server.ask("GET", "/runs", **told).status == 200
