"""What a person meets at the command line: help with an example, one clear line when something is wrong, exit codes."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import click
import psycopg
import pytest

from loaders.synthetic import render_slice
from mixhouse.cli import EXIT_CODES, cli, exit_code, message
from warehouse.settings import PROJECT_ROOT

MIXHOUSE = Path(sys.executable).with_name("mixhouse")


def mixhouse(*arguments: object, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MIXHOUSE, *map(str, arguments)],
        env=os.environ | variables,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    found = []
    for name, command in group.commands.items():
        found.append(((*path, name), command))
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
    return found


@pytest.mark.parametrize(
    ("path", "command"), commands(cli), ids=lambda value: "-".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_explains_itself_with_an_example(path: tuple[str, ...], command: click.Command) -> None:
    assert command.help
    assert re.search(r"Example:\n +(mixhouse|eval)", command.help), path


def test_an_interrupt_while_modules_are_read_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt")
    done = mixhouse("status", PYTHONPATH=str(tmp_path))
    assert_one_clear_line(done, 130, "interrupted")


def test_help_needs_no_database_and_lists_the_exit_codes() -> None:
    done = mixhouse("--help", PGHOST="127.0.0.1", PGPORT="1")
    assert done.returncode == 0
    for code in ("  0  ", "  1  ", "  2  ", "  3  ", "  4  ", "  5  ", " 70  ", "130  "):
        assert code in EXIT_CODES
        assert code in done.stdout


def assert_one_clear_line(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    for word in words:
        assert word in line, line


@pytest.mark.parametrize("command", ["load", "run"])
def test_a_wrong_path_is_refused_and_said_with_the_path(database: str, tmp_path: Path, command: str) -> None:
    missing = tmp_path / "no such\nfile.zip"
    done = mixhouse(command, missing)
    assert_one_clear_line(done, 1, "no such", "(absent)")
    assert "Built" not in done.stdout


def test_an_unreachable_server_is_said_with_its_address(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = str(unused.getsockname()[1])
        done = mixhouse("status", DATABASE_URL=f"postgresql://someone:secret@127.0.0.1:{port}/somewhere")
    assert_one_clear_line(done, 3, f"127.0.0.1:{port}", "somewhere", "DATABASE_URL")
    assert "secret" not in done.stderr


def test_a_place_that_cannot_be_written_is_a_wrong_path(database: str) -> None:
    assert_one_clear_line(mixhouse("report", "--output", "/proc/nowhere/report.html"), 2, "/proc/nowhere")
    assert_one_clear_line(mixhouse("synth", "/proc/nowhere"), 2, "/proc/nowhere")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (psycopg.errors.AdminShutdown("terminating connection"), "the database went away: terminating connection"),
        (psycopg.OperationalError("the connection is closed"), "the database went away: the connection is closed"),
        (psycopg.errors.DiskFull("could not extend file"), "no space left: could not extend file; make room"),
        (
            psycopg.errors.UndefinedColumn("column x does not exist\nLINE 1"),
            "x does not exist; build it with: mixhouse build",
        ),
        (psycopg.errors.QueryCanceled("statement timeout"), "the database refused: statement timeout"),
    ],
)
def test_what_ails_the_database_is_said_in_its_own_words(error: psycopg.Error, words: str) -> None:
    assert words in message(error)
    assert exit_code(error) == 3


def test_status_of_nothing_makes_no_database(tmp_path: Path) -> None:
    done = mixhouse("status", MIXHOUSE_HOME=str(tmp_path / "home"))
    assert done.returncode == 0
    assert re.search(r"Next: \S*mixhouse run", done.stdout)
    assert not (tmp_path / "home").exists()


def test_training_before_a_build_says_to_build(database: str) -> None:
    assert_one_clear_line(mixhouse("train"), 5, "mixhouse build")


@pytest.mark.parametrize("command", [["build"], ["run", "."], ["watch", "."], ["models"]], ids=lambda words: words[0])
def test_a_wrong_rule_is_refused_before_anything_is_done(database: str, tmp_path: Path, command: list[str]) -> None:
    done = mixhouse(*command, cwd=tmp_path, MIXHOUSE_RETRAIN_DAYS="a month")
    assert_one_clear_line(done, 2, "MIXHOUSE_RETRAIN_DAYS is 'a month'", "whole number")
    assert done.stdout == ""


def test_models_say_by_which_rules_they_are_trained(database: str) -> None:
    done = mixhouse("models", MIXHOUSE_RETRAIN_PLAYLISTS="7")
    assert done.returncode == 0
    assert re.findall(r"MIXHOUSE_RETRAIN_\w+=.*", done.stdout) == [
        "MIXHOUSE_RETRAIN_PLAYLISTS=7  playlists",
        "MIXHOUSE_RETRAIN_ARTISTS=50  artists",
        "MIXHOUSE_RETRAIN_DAYS=30  days",
    ]


def test_debug_shows_the_traceback(database: str) -> None:
    done = mixhouse("--debug", "train")
    assert done.returncode == 5
    assert "Traceback" in done.stderr


def test_an_unknown_option_is_wrong_usage(database: str) -> None:
    assert mixhouse("status", "--no-such-option").returncode == 2


def test_what_was_refused_is_listed_and_ends_with_exit_code_1(database: str, tmp_path: Path) -> None:
    (tmp_path / "mpd.slice.0-999.json").write_text('{"info": {}, "playlists": [{"pid": 5}]}', encoding="utf-8")
    (tmp_path / "mpd.slice.1000-1999.json").write_text('{"info": {}, "playl', encoding="utf-8")
    done = mixhouse("load", tmp_path)
    assert done.returncode == 1
    assert "mpd.slice.0-999.json: 1 playlist rejected" in done.stderr
    assert re.search(r"mpd\.slice\.1000-1999\.json: refused \(\w+\)", done.stderr)


def test_a_path_that_may_not_be_read_costs_no_other(database: str, tmp_path: Path) -> None:
    paths = [tmp_path / "mpd.slice.0-999.json", tmp_path / "mpd.slice.1000-1999.json"]
    for path in paths:
        path.write_text('{"info": {}, "playlists": []}', encoding="utf-8")
    paths[0].chmod(0)
    # Root may read everything, unless it has given that up.
    without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    done = subprocess.run([*without, MIXHOUSE, "load", *paths], capture_output=True, text=True, check=False)
    assert_one_clear_line(done, 1, "mpd.slice.0-999.json: refused (unreadable): Permission denied")
    assert re.search(r"1 +slice landed", done.stdout)


def test_a_watch_of_no_folder_says_only_that(tmp_path: Path) -> None:
    done = mixhouse("watch", tmp_path / "nowhere", PGHOST="127.0.0.1", PGPORT="1")
    assert_one_clear_line(done, 2, "nowhere: No such file or directory")
    assert "Watching" not in done.stderr


@pytest.mark.parametrize("command", [["load"], ["run"], ["watch"], ["rejects", "land"]])
def test_an_empty_path_is_not_taken_for_the_current_folder(tmp_path: Path, command: list[str]) -> None:
    done = mixhouse(*command, "", cwd=tmp_path, PGHOST="127.0.0.1", PGPORT="1")
    assert_one_clear_line(done, 2, "A path is empty")


def test_status_says_what_to_do_next_from_the_start(database: str) -> None:
    done = mixhouse("status")
    assert done.returncode == 0
    assert re.search(r"Next: \S*mixhouse run", done.stdout)


def test_a_build_of_nothing_builds_empty_marts_and_trains_nothing(database: str) -> None:
    done = mixhouse("build")
    assert done.returncode == 0, done.stderr
    assert "Not trained: " in done.stdout
    assert re.search(r"Next: \S*mixhouse run", mixhouse("status").stdout)


def test_db_env_leads_other_programs_to_the_database(database: str) -> None:
    done = subprocess.run(
        ["bash", "-c", 'eval "$("$0" db env)" && env', MIXHOUSE], capture_output=True, text=True, check=True
    )
    variables = dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("PG"))
    assert {name: variables[name] for name in ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD")} == {
        name: os.environ[name] for name in ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD")
    }


def test_psql_runs_on_the_database(database: str) -> None:
    done = mixhouse("db", "psql", "-Atc", "select current_database()")
    assert done.stdout.strip() == database


def test_psql_comes_with_the_embedded_server_when_there_is_none_on_the_path(database: str) -> None:
    done = mixhouse("db", "psql", "-Atc", "select current_database()", PATH="/nonexistent")
    assert done.stdout.strip() == database


def test_commands_work_from_any_folder(database: str, tmp_path: Path) -> None:
    done = mixhouse("db", "start", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("PostgreSQL 18")


def test_reset_asks_first(database: str) -> None:
    assert mixhouse("db", "reset").returncode == 130
    declined = subprocess.run([MIXHOUSE, "db", "reset"], input="n\n", capture_output=True, text=True, check=False)
    assert declined.returncode == 130
    assert "Nothing was deleted." in declined.stdout
    assert mixhouse("status").returncode == 0


def test_a_reader_that_has_seen_enough_is_no_error(database: str) -> None:
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$0" db env | true', MIXHOUSE], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_a_table_that_is_not_read_to_its_end_is_no_refusal(database: str) -> None:
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$0" status | true', MIXHOUSE], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_load_that_nobody_reads_loads_all_the_same_and_says_that_input_was_refused(
    connection: psycopg.Connection, tmp_path: Path
) -> None:
    (tmp_path / "mpd.slice.0-999.json").write_bytes(render_slice(1, 0, 5))
    (tmp_path / "mpd.slice.1000-1999.json").write_bytes(b"{")
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$0" load "$1" 2>&1 | true', MIXHOUSE, tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert connection.execute("select outcome from staging.slices order by source").fetchall() == [
        ("landed",),
        ("refused",),
    ]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_with_130_and_says_how_to_go_on(tmp_path: Path, how: signal.Signals) -> None:
    process = subprocess.Popen(
        [MIXHOUSE, "synth", tmp_path, "--playlists", "100000"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A shell that starts the tests in the background has them ignore interrupts, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    assert "slice" in process.stderr.readline()
    process.send_signal(how)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    "page",
    sorted(PROJECT_ROOT.glob("*.md")) + sorted((PROJECT_ROOT / "docs").rglob("*.md")),
    ids=lambda page: page.name,
)
def test_commands_shown_in_docs_exist(page: Path) -> None:
    known = {" ".join(path): command for path, command in commands(cli)}
    blocks = re.findall(r"```(?:sh|bash|console)\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for line in "\n".join(blocks).splitlines():
        for words in re.findall(r"\bmixhouse((?: +[^\s&|;)\"]+)*)", line.split("#")[0]):
            parts = words.split()
            name = " ".join(parts[:2]) if " ".join(parts[:2]) in known else " ".join(parts[:1])
            if not parts or parts[0].startswith(("-", "/", ".")):
                continue
            assert name in known, f"{page.name}: mixhouse{words}"
            options = {
                option for parameter in known[name].params for option in (*parameter.opts, *parameter.secondary_opts)
            }
            if name != "db psql":
                assert {part for part in parts if part.startswith("--")} <= options | {"--help"}, line


def test_make_commands_shown_in_docs_exist() -> None:
    targets = set(
        re.findall(r"^([a-z-]+):", (PROJECT_ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    for page in [*PROJECT_ROOT.glob("*.md"), *(PROJECT_ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
            assert target in targets, f"{page.name}: make {target}"
