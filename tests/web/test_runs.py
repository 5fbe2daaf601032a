"""Runs, from the asking to the result, while processes are stopped and killed: by `mixhouse serve` as people do."""

import signal
import socket
import threading
from collections.abc import Callable

import psutil
import pytest
from commands import Warehouse
from psycopg import sql
from serving import Answer, Process, Server, another_build, wait_for

StartServer = Callable[..., Server]


@pytest.fixture(scope="module")
def warehouse(new_web_warehouse: Callable[..., Warehouse]) -> Warehouse:
    return new_web_warehouse()


@pytest.fixture(scope="module")
def own_warehouse(new_web_warehouse: Callable[..., Warehouse]) -> Warehouse:
    """One that no server works on, but those that a test starts."""
    return new_web_warehouse()


@pytest.fixture(scope="module")
def server(warehouse: Warehouse, start_module_server: StartServer) -> Server:
    return start_module_server(warehouse)


def waiting_run(server: Server) -> int:
    """Start a build that waits for another."""
    run_id = server.start_run("build")
    wait_for(lambda: "Waiting" in said(server, run_id), 60, "the run waits")
    return run_id


def said(server: Server, run_id: int) -> str:
    return "\n".join(line["message"] for line in server.run(run_id)["messages"])


def worker(server: Server) -> psutil.Process:
    found: list[psutil.Process] = wait_for(lambda: server.process.descendants("worker"), what="a worker")
    return found[0]


def run_process(server: Server) -> psutil.Process:
    found: list[psutil.Process] = wait_for(lambda: server.process.descendants("web.perform"), what="a run's process")
    return found[0]


def test_a_run_tells_how_far_it_is_and_what_came_of_it(server: Server, warehouse: Warehouse) -> None:
    answer = server.ask("POST", "/runs", {"kind": "docs"})
    assert answer.status == 202
    run = answer.json()
    assert (run["kind"], run["status"], run["requested_by"]) == ("docs", "queued", "tests")
    assert answer.headers["Location"] == f"/runs/{run['run_id']}"
    wait_for(lambda: server.run(run["run_id"])["step"] == "Writing the dbt docs", what="the step")
    done = server.wait_for_run(run["run_id"], "succeeded", "failed")
    assert (done["status"], done["result"], done["error"]) == ("succeeded", "The dbt docs are written.", None)
    assert (done["attempts"], done["step"], done["steps_total"]) == (1, None, None)
    assert done["requested_at"] <= done["started_at"] < done["finished_at"]
    assert [line["message"] for line in done["messages"]] == ["Writing the dbt docs", "The dbt docs are written."]
    wait_for(lambda: warehouse.query("select count(*) from jobs.procrastinate_jobs") == [(0,)], what="an empty queue")


def test_a_run_waits_for_a_build_that_was_started_elsewhere(server: Server, warehouse: Warehouse) -> None:
    with another_build(warehouse):
        run_id = waiting_run(server)
        assert server.run(run_id)["status"] == "running"
    done = server.wait_for_run(run_id, "succeeded", "failed")
    assert done["result"] == "Everything was up to date."


def test_of_two_who_start_at_once_one_is_told_of_the_other(server: Server, warehouse: Warehouse) -> None:
    with another_build(warehouse):
        answers: list[Answer] = []
        barrier = threading.Barrier(4)

        def start() -> None:
            barrier.wait()
            answers.append(server.ask("POST", "/runs", {"kind": "build"}))

        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        statuses = sorted(answer.status for answer in answers)
        assert statuses == [202, 409, 409, 409], [answer.body for answer in answers]
        assert len({answer.json()["run_id"] for answer in answers}) == 1
        refused = next(answer for answer in answers if answer.status == 409)
        assert f"Run {refused.json()['run_id']} " in refused.json()["detail"]
    server.wait_for_run(answers[0].json()["run_id"], "succeeded")


def test_a_run_whose_worker_is_killed_is_done_by_the_next(server: Server, warehouse: Warehouse) -> None:
    with another_build(warehouse):
        run_id = waiting_run(server)
        lost, process = worker(server), run_process(server)
        lost.kill()
        process.wait(5)
        wait_for(lambda: server.run(run_id)["attempts"] == 2, 60, "another worker takes it up")
    done = server.wait_for_run(run_id, "succeeded", "failed")
    assert (done["status"], done["attempts"]) == ("succeeded", 2)


def test_a_run_whose_process_is_killed_is_begun_again_and_not_for_ever(server: Server, warehouse: Warehouse) -> None:
    with another_build(warehouse):
        run_id = waiting_run(server)
        for attempt in (1, 2, 3):
            wait_for(lambda: server.run(run_id)["attempts"] == attempt, what=f"attempt {attempt}")  # noqa: B023
            process = run_process(server)
            process.kill()
            process.wait(5)
        done = server.wait_for_run(run_id, "succeeded", "failed")
    assert (done["status"], done["attempts"]) == ("failed", 3)
    assert done["error"] == "It was begun 3 times and ended early each time; its log says how."
    assert "Its process was ended by signal 9, on attempt 3 of 3." in said(server, run_id)
    again = server.wait_for_run(server.start_run("build"), "succeeded", "failed")
    assert again["status"] == "succeeded"


def test_a_worker_that_is_stopped_puts_its_run_back(own_warehouse: Warehouse, start_server: StartServer) -> None:
    server = start_server(own_warehouse, "--no-worker")
    with another_build(own_warehouse):
        first = Process.start("worker", "--schedule", "never", variables=own_warehouse.variables)
        first.wait_until_it_says("worker_ready")
        run_id = waiting_run(server)
        assert first.end(signal.SIGTERM) == 0
        run = server.run(run_id)
        assert (run["status"], run["attempts"], run["step"], run["started_at"]) == ("queued", 0, None, None)
    second = Process.start("worker", "--schedule", "never", variables=own_warehouse.variables)
    try:
        done = server.wait_for_run(run_id, "succeeded", "failed")
        assert (done["status"], done["attempts"]) == ("succeeded", 1)
    finally:
        second.end()


def test_a_server_that_is_stopped_or_killed_leaves_its_run_to_the_next_and_no_process(
    own_warehouse: Warehouse, start_server: StartServer
) -> None:
    with another_build(own_warehouse):
        stopped = start_server(own_warehouse)
        run_id = waiting_run(stopped)
        # `end` sees to it that no process is left.
        assert stopped.process.end(signal.SIGINT) == 0, stopped.process.said
        assert "Traceback" not in stopped.process.said
        killed = start_server(own_warehouse)
        wait_for(lambda: killed.run(run_id)["attempts"] == 1, what="the next server's worker takes it up")
        assert killed.process.end(signal.SIGKILL) == -signal.SIGKILL
    done = start_server(own_warehouse).wait_for_run(run_id, "succeeded", "failed")
    assert (done["status"], done["attempts"]) == ("succeeded", 2)


def test_a_run_that_fails_says_why(new_web_warehouse: Callable[..., Warehouse], start_server: StartServer) -> None:
    warehouse = new_web_warehouse(filled=False)
    server = start_server(warehouse)
    failed = server.wait_for_run(server.start_run("train"), "succeeded", "failed")
    assert failed["status"] == "failed"
    assert "mixhouse build" in failed["error"]
    assert failed["messages"][-1] == {"level": "ERROR", "message": failed["error"]} | {
        "logged_at": failed["messages"][-1]["logged_at"]
    }


def test_the_schedule_brings_everything_up_to_date(own_warehouse: Warehouse) -> None:
    before = own_warehouse.query("select coalesce(max(run_id), 0) from ops.runs")
    # What was due within ten minutes before the start is made up for, so that this need not wait for a minute to pass.
    worker = Process.start("worker", "--schedule", "*/5 * * * *", variables=own_warehouse.variables)
    try:
        found = f"select kind, status from ops.runs where requested_by = 'schedule' and run_id > {before[0][0]}"
        wait_for(lambda: own_warehouse.query(found) == [("build", "succeeded")], 60, "the scheduled build")
    finally:
        assert worker.end() == 0


def test_a_queue_of_another_version_is_made_anew_and_keeps_what_waits(
    own_warehouse: Warehouse, start_server: StartServer
) -> None:
    server = start_server(own_warehouse, "--no-worker")
    run_id = server.start_run("build")
    server.process.end()
    with own_warehouse.connect() as connection:
        connection.execute("comment on schema jobs is 'The queue of runs, of procrastinate 0.1'")
        connection.execute(sql.SQL("alter table jobs.procrastinate_jobs rename to of_another_version"))
    done = start_server(own_warehouse).wait_for_run(run_id, "succeeded", "failed")
    assert done["status"] == "succeeded"


def test_what_cannot_be_served_is_said_with_an_exit_code(warehouse: Warehouse) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = warehouse.run("mixhouse", "serve", "--port", taken.getsockname()[1], code=2)
        assert "Cannot serve at 127.0.0.1" in refused.stderr
        assert "Take another --host or --port." in refused.stderr
    assert "Cannot serve at" in warehouse.run("mixhouse", "serve", "--host", "no such host", code=2).stderr


@pytest.mark.parametrize("schedule", ["sometimes", "* * * * * *", "61 * * * *", "0 0 31 2 *", ""])
def test_a_schedule_that_names_no_time_is_refused(warehouse: Warehouse, schedule: str) -> None:
    assert "is no schedule" in warehouse.run("mixhouse", "worker", "--schedule", schedule, code=2).stderr
    variables = Warehouse(warehouse.variables | {"MIXHOUSE_SCHEDULE": schedule or "nonsense"})
    assert "is no schedule" in variables.run("mixhouse", "worker", code=2).stderr
