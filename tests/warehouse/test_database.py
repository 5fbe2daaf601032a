import logging
import os
import re
import subprocess
import threading
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import Connection

from warehouse import database as module
from warehouse import embedded
from warehouse.database import SERVER_VARIABLES, DatabaseUnfit, DatabaseUnreachable, connect, environment
from warehouse.settings import PROJECT_ROOT, home

SECRET = "se/cr@t%:'\" \\?#é"  # noqa: S105 (made for the test)


@pytest.fixture
def unnamed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*SERVER_VARIABLES, "PGPASSWORD", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def empty(connection: Connection) -> None:
    """The test's database, as another tool would have made it: without our tables."""
    connection.autocommit = True
    connection.execute("drop schema staging, ml, ops cascade")


def role(connection: Connection, name: str, password: str = "right") -> None:  # noqa: S107
    """Make a role that lasts as long as the server."""
    connection.execute(
        psycopg.sql.SQL("create role {} login password {}").format(psycopg.sql.Identifier(name), password)
    )
    connection.commit()


def answer(question: str) -> object:
    with connect() as connection:
        row = connection.execute(question.encode()).fetchone()
    return row and row[0]


def url(server: dict[str, str], name: str, password: str | None = None, user: str = "mixhouse") -> str:
    return f"postgresql://{user}:{quote(password or server['password'], safe='')}@127.0.0.1:{server['port']}/{name}"


def stamp_version() -> object:
    """Changes whenever schema.sql is applied."""
    return answer("select xmin::text from pg_description where objoid = 'ops'::regnamespace")


def test_a_dropped_table_is_made_again(connection: Connection) -> None:
    connection.execute("drop table ml.feature_importances")
    connection.commit()
    with connect() as again:
        assert again.execute("select count(*) from ml.feature_importances").fetchone() == (0,)


# The session


def test_session_is_utf8_and_utc_even_after_a_rollback(connection: Connection, database: str) -> None:
    connection.execute(
        psycopg.sql.SQL("alter database {} set timezone = 'Asia/Tokyo'").format(psycopg.sql.Identifier(database))
    )
    connection.commit()
    with connect() as connection:
        connection.rollback()
        found = connection.execute(
            "select current_database(), current_setting('TimeZone'), current_setting('client_encoding'),"
            " current_setting('application_name')"
        ).fetchone()
        assert found == (database, "UTC", "UTF8", "mixhouse")


def test_transactions_are_the_callers_unless_autocommit_is_asked_for(database: str) -> None:
    for autocommit, kept in ((False, None), (True, "kept")):
        with connect(autocommit=autocommit) as connection:
            assert connection.autocommit is autocommit
            connection.execute("create table kept ()")
            connection.rollback()
        assert answer("select to_regclass('kept')::text") == kept


def test_another_application_name_is_respected(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGAPPNAME", "nightly")
    assert answer("select current_setting('application_name')") == "nightly"


# Which database


def test_embedded_server_is_used_when_no_variable_names_one(
    server: dict[str, str], unnamed: pytest.MonkeyPatch
) -> None:
    # Neither a password nor a mode of encryption names a server, and none of them gets in the way.
    unnamed.setenv("PGPASSWORD", "of another server")
    unnamed.setenv("PGSSLMODE", "verify-full")
    unnamed.setenv("PGHOST", "")
    assert answer("select current_database()") == "mixhouse"
    assert environment()["PGPASSWORD"] == server["password"]
    assert environment()["PGSSLMODE"] == "disable"


def test_database_url_wins_over_libpq_variables(
    server: dict[str, str], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for scheme in ("postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"):
        monkeypatch.setenv("DATABASE_URL", url(server, database).replace("postgresql", scheme, 1))
        monkeypatch.setenv("PGHOST", "elsewhere.invalid")
        monkeypatch.setenv("PGPORT", "1")
        monkeypatch.setenv("PGDATABASE", "another")
        assert answer("select current_database()") == database


def test_database_url_and_its_parameters_become_libpq_variables(
    server: dict[str, str], database: str, unnamed: pytest.MonkeyPatch
) -> None:
    options = "sslmode=prefer&sslrootcert=/ca.pem&sslcert=/me.pem&sslkey=/me.key&application_name=bi&keepalives=1"
    unnamed.setenv("DATABASE_URL", f"{url(server, database)}?{options}&options=-c%20work_mem%3D11MB")
    assert environment() == {
        "PGHOST": "127.0.0.1",
        "PGPORT": server["port"],
        "PGUSER": "mixhouse",
        "PGPASSWORD": server["password"],
        "PGDATABASE": database,
        "PGSSLMODE": "prefer",
        "PGSSLROOTCERT": "/ca.pem",
        "PGSSLCERT": "/me.pem",
        "PGSSLKEY": "/me.key",
        "PGAPPNAME": "bi",
        "PGOPTIONS": "-c work_mem=11MB",
        "PGCLIENTENCODING": "UTF8",
        "PGTZ": "UTC",
        "PGPASSFILE": os.environ["PGPASSFILE"],
    }


def test_environment_leads_psql_to_the_same_database(
    server: dict[str, str], connection: Connection, database: str, unnamed: pytest.MonkeyPatch
) -> None:
    role(connection, "guest", SECRET)
    unnamed.setenv("DATABASE_URL", url(server, database, SECRET, "guest"))
    question = "select current_database(), current_user, current_setting('TimeZone')"
    command = [str(embedded.program("psql")), "--no-psqlrc", "-Atc", question]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == f"{database}|guest|UTC\n"


def test_service_file_gives_all_that_dbt_needs(
    server: dict[str, str], database: str, unnamed: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "services.conf"
    names = ("host", "port", "user", "password")
    file.write_text("\n".join(["[mix]", *(f"{name}={server[name]}" for name in names), f"dbname={database}\n"]))
    unnamed.setenv("PGSERVICEFILE", str(file))
    unnamed.setenv("PGSERVICE", "mix")
    found = environment()
    assert found["PGDATABASE"] == database
    assert [found[f"PG{name.upper()}"] for name in names] == [server[name] for name in names]
    unnamed.setenv("DATABASE_URL", url(server, database))
    with pytest.raises(DatabaseUnreachable, match="DATABASE_URL and PGSERVICE name two servers"):
        connect()


# What goes wrong


@pytest.mark.parametrize(
    "wrong",
    [
        "mysql://user:hidden@host/database",
        "hidden",
        "postgresql://user:hidden%zz@host/database",
        "postgresql://user:hidden/with-slash@host/database",
        "postgresql://user@host:hidden/database",
    ],
)
def test_unreadable_url_is_explained_without_quoting_it(wrong: str, unnamed: pytest.MonkeyPatch) -> None:
    unnamed.setenv("DATABASE_URL", wrong)
    with pytest.raises(DatabaseUnreachable, match=r"^DATABASE_URL cannot be read\. Write it as .*$") as caught:
        connect()
    assert "hidden" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_unreachable_server_is_one_line_with_address_reason_and_remedy(unnamed: pytest.MonkeyPatch) -> None:
    unnamed.setenv("PGHOST", "127.0.0.1")
    unnamed.setenv("PGPORT", "1")
    unnamed.setenv("PGUSER", "analyst")
    unnamed.setenv("PGPASSWORD", "hidden")
    with pytest.raises(DatabaseUnreachable) as caught:
        connect()
    assert str(caught.value) == (
        "Cannot reach PostgreSQL at 127.0.0.1:1, database analyst, as analyst: Connection refused. "
        "Check PGHOST, PGPORT, PGUSER; without it, the embedded server is used."
    )
    unnamed.setenv("DATABASE_URL", "postgresql://me:hidden@127.0.0.1:2/warehouse")
    with pytest.raises(DatabaseUnreachable) as caught:
        connect()
    assert str(caught.value) == (
        "Cannot reach PostgreSQL at 127.0.0.1:2, database warehouse, as me: Connection refused. "
        "Check DATABASE_URL; without it, the embedded server is used."
    )


def test_refusal_gives_the_servers_own_reason(
    server: dict[str, str], database: str, unnamed: pytest.MonkeyPatch
) -> None:
    unnamed.setenv("DATABASE_URL", url(server, database, "hidden"))
    with pytest.raises(DatabaseUnreachable, match=r'as mixhouse: password authentication failed for user "mixhouse"\.'):
        connect()
    unnamed.setenv("DATABASE_URL", url(server, "nowhere"))
    with pytest.raises(DatabaseUnreachable, match=r'database "nowhere" does not exist\. Check'):
        connect()
    unnamed.setenv("DATABASE_URL", url(server, database) + "?sslmode=nonsense")
    with pytest.raises(DatabaseUnreachable, match=r'invalid sslmode value: "nonsense"\. Check'):
        connect()


def test_old_server_is_refused(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OLDEST_SERVER", 99)
    with pytest.raises(DatabaseUnfit, match=r"is PostgreSQL 18\. Mixhouse needs 99 or later\."):
        connect()


def test_database_that_cannot_store_titles_is_refused(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    connection.autocommit = True
    connection.execute("create database latin encoding 'LATIN1' locale 'C' template template0")
    try:
        monkeypatch.setenv("PGDATABASE", "latin")
        with pytest.raises(DatabaseUnfit, match=r"latin .* stores LATIN1, and titles need UTF8"):
            connect()
    finally:
        connection.execute("drop database latin with (force)")


# The tables


def test_tables_are_made_once_and_not_again(empty: None) -> None:
    assert answer("select count(*) from staging.slices") == 0
    version = stamp_version()
    assert version == stamp_version()


def test_commands_that_start_together_make_the_tables_once(empty: None) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        try:
            connect().close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert answer("select count(*) from staging.slices") == 0


def test_new_version_of_the_tables_is_applied_to_an_old_database(
    connection: Connection, database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    newer = tmp_path / "schema.sql"
    newer.write_text(module.SCHEMA_FILE.read_text() + "create table if not exists ops.added (id integer);")
    monkeypatch.setattr(module, "SCHEMA_FILE", newer)
    assert answer("select count(*) from ops.added") == 0


def test_failing_schema_changes_nothing(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "schema.sql"
    layout = re.findall(r"^-- Layout .*", module.SCHEMA_FILE.read_text(), flags=re.MULTILINE)[0]
    broken.write_text(f"{layout}\ncreate table ops.half (id integer); create table ops.half (id integer);")
    monkeypatch.setattr(module, "SCHEMA_FILE", broken)
    with pytest.raises(psycopg.errors.DuplicateTable):
        connect()
    assert connection.execute("select to_regclass('ops.half')").fetchone() == (None,)


def test_tables_of_another_layout_are_left_alone_with_what_to_do(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "schema.sql"
    other.write_text(re.sub(r"^-- Layout \d+", "-- Layout 0", module.SCHEMA_FILE.read_text(), flags=re.MULTILINE))
    stamp = connection.execute("select obj_description('ops'::regnamespace)").fetchone()
    monkeypatch.setattr(module, "SCHEMA_FILE", other)
    with pytest.raises(DatabaseUnfit, match=r"another version of Mixhouse.*mixhouse db reset"):
        connect()
    assert connection.execute("select obj_description('ops'::regnamespace)").fetchone() == stamp


def test_reader_connects_when_the_tables_are_there(
    server: dict[str, str],
    connection: Connection,
    database: str,
    unnamed: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    role(connection, "reader")
    unnamed.setenv("DATABASE_URL", url(server, database, "right", "reader"))
    with caplog.at_level(logging.WARNING):
        assert answer("select current_user") == "reader"
        assert caplog.messages == []

        # A newer Mixhouse, whose tables the owner has not made yet.
        newer = tmp_path / "schema.sql"
        newer.write_text(module.SCHEMA_FILE.read_text() + "create table if not exists ops.added (id integer);")
        unnamed.setattr(module, "SCHEMA_FILE", newer)
        assert answer("select current_user") == "reader"
        assert "event=schema_not_applied user=reader" in caplog.text


def test_reader_of_an_empty_database_is_told_who_can_make_the_tables(
    server: dict[str, str], connection: Connection, database: str, empty: None, unnamed: pytest.MonkeyPatch
) -> None:
    role(connection, "newcomer")
    unnamed.setenv("DATABASE_URL", url(server, database, "right", "newcomer"))
    with pytest.raises(DatabaseUnfit, match="lacks Mixhouse's tables, and newcomer may not make them"):
        connect()


# Where things lie


def test_home_does_not_depend_on_the_working_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert (PROJECT_ROOT / "warehouse" / "schema.sql").is_file()
    monkeypatch.delenv("MIXHOUSE_HOME")
    monkeypatch.chdir(tmp_path)
    assert home() == PROJECT_ROOT / ".mixhouse"
    monkeypatch.setenv("MIXHOUSE_HOME", "mine")
    assert home() == tmp_path / "mine"
