"""What each database role may do, found out by trying: real logins, every schema, every relation."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import Connection, errors, sql

from mixhouse.cli import cli
from warehouse.database import connect
from warehouse.errors import RoleRefused
from warehouse.roles import ROLES, apply_roles, create_user, grant_roles

MIXHOUSE = Path(sys.executable).with_name("mixhouse")
PASSWORD = "for tests only"  # noqa: S105
LogIn = Callable[[str], contextlib.closing[Connection]]

LANDED = {"staging.slices", "staging.playlists", "staging.rejects"}
LANDED_VIEWS = {"staging.playlist_documents", "staging.open_rejects"}
ML = {
    f"ml.{table}"
    for table in (
        *("model_runs", "model_metrics", "feature_importances", "models"),
        *("playlist_predictions", "artist_clusters"),
    )
}
SERVING = {"ml.serving_predictions", "ml.serving_clusters"}
BUILDS = {"ops.builds", "ops.built_slices"}
RUNS = {"ops.runs", "ops.run_messages"}
OPS = {"ops.loads", "ops.api_keys"} | BUILDS | RUNS
# Stand-ins for what dbt makes.
VIEWS = {"staging.stg_things", "features.things"}
TABLES = {"intermediate.things", "marts.things", "insights.things"}

MAY: dict[str, dict[str, set[str]]] = {
    "loader": {
        "select": LANDED | LANDED_VIEWS | {"ops.loads"},
        "insert": LANDED | {"ops.loads"},
        "update": {"staging.slices", "ops.loads"},
    },
    "transformer": {
        "select": LANDED | LANDED_VIEWS | ML | SERVING | VIEWS | TABLES | BUILDS | RUNS,
        "insert": TABLES | BUILDS | RUNS,
        "update": TABLES | BUILDS | {"ops.runs"},
        "delete": TABLES,
        "truncate": TABLES,
        "create in": {"staging", "intermediate", "features", "marts", "insights"},
    },
    "ml": {
        "select": ML | SERVING | {"features.things"},
        "insert": ML,
        "update": {"ml.model_runs"},
        "delete": {"ml.playlist_predictions", "ml.artist_clusters", "ml.models"},
    },
    "web": {"select": ML | SERVING | OPS | {"marts.things", "insights.things"}, "insert": {"ops.runs"}},
    "reporter": {"select": {"marts.things", "insights.things"}},
}


@pytest.fixture
def own_roles(server: dict[str, str]) -> Iterator[None]:
    """Roles belong to the server, so that they must be gone when the test's database is."""
    with psycopg.connect(autocommit=True, **server) as connection:
        before = role_names(connection)
        assert not before & set(ROLES.values())
        yield
        for name in role_names(connection) - before:
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def role_names(connection: Connection) -> set[str]:
    return {name for (name,) in connection.execute("select rolname from pg_roles")}


@pytest.fixture
def owner(own_roles: None, database: str) -> Iterator[Connection]:
    """The owner of a database in which dbt has run as its owner, before there were roles."""
    with contextlib.closing(connect(autocommit=True)) as connection:
        # As careful administrators do.
        connection.execute(f"revoke all on database {database} from public".encode())
        for relation in sorted(TABLES | VIEWS):
            schema, name = relation.split(".")
            kind = "table" if relation in TABLES else "view"
            connection.execute(f"create schema if not exists {schema}".encode())
            connection.execute(f"create {kind} {schema}.{name} as select 1 as thing_id".encode())
        apply_roles(connection)
        yield connection


@pytest.fixture
def log_in(owner: Connection, server: dict[str, str], database: str) -> LogIn:
    """Connects as a user who has one role."""

    def log_in(kind: str) -> contextlib.closing[Connection]:
        user = f"one_{kind}"
        if user not in role_names(owner):
            create_user(owner, user, PASSWORD)
            grant_roles(owner, user, [kind])
        place = {name: server[name] for name in ("host", "port")}
        return contextlib.closing(
            psycopg.connect(autocommit=True, user=user, password=PASSWORD, dbname=database, **place)
        )

    return log_in


def relations(connection: Connection, kinds: str) -> list[str]:
    rows = connection.execute(
        "select relnamespace::regnamespace || '.' || relname from pg_class"
        " where relnamespace::regnamespace::text in"
        " ('staging', 'intermediate', 'features', 'ml', 'marts', 'insights', 'ops') and relkind::text = any(%s)",
        [list(kinds)],
    )
    return [name for (name,) in rows]


def last_column(connection: Connection, relation: str) -> str:
    row = connection.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and not attisdropped order by attnum desc",
        [relation],
    ).fetchone()
    assert row
    return str(row[0])


def may(connection: Connection, statement: str) -> bool:
    """Try it; what the database refuses for another reason than privileges was allowed. Nothing stays."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement.encode())
    except errors.InsufficientPrivilege:
        return False
    except errors.IntegrityError:
        return True
    return True


@pytest.mark.parametrize("kind", ROLES)
def test_a_role_may_do_what_it_needs_and_nothing_else(kind: str, owner: Connection, log_in: LogIn) -> None:
    tables, views = relations(owner, "r"), relations(owner, "v")
    # None was forgotten: whoever adds a table says who uses it.
    assert {*tables, *views} == set().union(*(allowed["select"] for allowed in MAY.values()))
    schemas = {relation.split(".")[0] for relation in tables} | {"features", "public"}
    tries = {("select", name): f"select * from {name}" for name in (*tables, *views)}
    tries |= {("create in", name): f"create table {name}.attempt (thing_id integer)" for name in schemas}
    for name in tables:
        column = last_column(owner, name)
        tries |= {
            ("insert", name): f"insert into {name} default values",
            ("update", name): f"update {name} set {column} = {column}",
            ("delete", name): f"delete from {name}",
            ("truncate", name): f"truncate {name} cascade",
        }
    expected: dict[str, set[str]] = {action: set() for action, _ in tries} | MAY[kind]
    found: dict[str, set[str]] = {action: set() for action in expected}
    with log_in(kind) as user:
        for (action, name), statement in tries.items():
            if may(user, statement):
                found[action].add(name)
    assert found == expected


@pytest.mark.parametrize("kind", ROLES)
def test_a_role_makes_neither_schemas_nor_roles(kind: str, log_in: LogIn) -> None:
    with log_in(kind) as user:
        assert not may(user, "create schema attempt")
        assert not may(user, "create role attempt")
        assert not may(user, "grant mixhouse_loader to mixhouse_reporter")
        assert may(user, "create temporary table attempt ()") == (kind in {"loader", "transformer"})


def test_a_landed_playlist_is_marked_as_superseded_and_never_changed(log_in: LogIn) -> None:
    with log_in("loader") as user:
        assert may(user, "update staging.playlists set superseded_at = now()")
        assert not may(user, "update staging.playlists set num_followers = 1")


def test_applying_again_changes_nothing(owner: Connection) -> None:
    def privileges() -> list[object]:
        return owner.execute(
            "select relname, relowner::regrole, array(select unnest(relacl)::text order by 1) from pg_class"
            " where relnamespace::regnamespace::text = any(%s) order by oid",
            [["staging", "intermediate", "features", "ml", "marts", "insights", "ops"]],
        ).fetchall()

    before = privileges()
    assert list(apply_roles(owner)) == list(ROLES.values())
    assert privileges() == before


def test_applying_again_takes_back_what_a_role_does_not_need(owner: Connection, log_in: LogIn) -> None:
    owner.execute("grant insert on marts.things to mixhouse_reporter")
    owner.execute("grant usage on schema staging to mixhouse_reporter")
    owner.execute("grant select on staging.playlists to mixhouse_reporter")
    owner.execute("grant update on staging.playlists to mixhouse_loader, mixhouse_transformer")
    apply_roles(owner)
    with log_in("reporter") as reporter, log_in("loader") as loader, log_in("transformer") as transformer:
        assert not may(reporter, "insert into marts.things values (1)")
        assert not may(reporter, "select * from staging.playlists")
        for user in (loader, transformer):
            assert not may(user, "update staging.playlists set num_followers = 1")


def test_the_transformer_replaces_what_the_owner_of_the_database_has_built(log_in: LogIn) -> None:
    with log_in("transformer") as user:
        for relation in TABLES:
            assert may(user, f"drop table {relation}")
        for relation in VIEWS:
            assert may(user, f"drop view {relation}")
        assert not may(user, "drop table staging.playlists")


def test_an_owner_who_is_no_superuser_makes_the_roles(
    own_roles: None, database: str, server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(autocommit=True, **server) as superuser:
        superuser.execute(f"create role an_owner login createrole password '{PASSWORD}'".encode())
        superuser.execute(f"create database {database}_owned owner an_owner")
    try:
        monkeypatch.setenv("PGDATABASE", f"{database}_owned")
        monkeypatch.setenv("PGUSER", "an_owner")
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        with contextlib.closing(connect(autocommit=True)) as connection:
            apply_roles(connection)
            connection.execute("create table marts.things as select 1 as thing_id")
            apply_roles(connection)
            create_user(connection, "a_reader", PASSWORD)
            grant_roles(connection, "a_reader", ["reporter"])
        monkeypatch.setenv("PGUSER", "a_reader")
        with contextlib.closing(connect()) as connection:
            assert connection.execute("select thing_id from marts.things").fetchall() == [(1,)]
    finally:
        with psycopg.connect(autocommit=True, **server) as superuser:
            superuser.execute(f"drop database {database}_owned with (force)".encode())
            # What it granted goes with it, in whatever order they are dropped.
            superuser.execute("drop owned by an_owner")


def test_the_server_is_never_told_a_password(owner: Connection) -> None:
    create_user(owner, "someone", PASSWORD)
    row = owner.execute(
        "select rolpassword, rolsuper, rolcreaterole from pg_authid where rolname = 'someone'"
    ).fetchone()
    assert row
    assert row[0].startswith("SCRAM-SHA-256$")
    assert row[1:] == (False, False)


@pytest.mark.parametrize("name", ["mixhouse", "mixhouse_reporter"])
def test_superusers_and_groups_are_given_no_role(owner: Connection, name: str) -> None:
    with pytest.raises(RoleRefused, match=f"^{name} is"):
        grant_roles(owner, name, ["reporter"])


def test_a_user_before_there_are_roles_is_told_how_to_make_them(own_roles: None, connection: Connection) -> None:
    create_user(connection, "someone", PASSWORD)
    with pytest.raises(RoleRefused, match="mixhouse db roles"):
        grant_roles(connection, "someone", ["reporter"])


def mixhouse(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MIXHOUSE, *arguments],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # without a terminal to ask at
    )


def test_the_command_makes_roles_and_users(own_roles: None, connection: Connection) -> None:
    made = mixhouse("db", "roles")
    assert made.returncode == 0, made.stderr
    assert [line.split()[0] for line in made.stdout.splitlines()] == list(ROLES.values())

    unanswered = mixhouse("db", "user", "ana", "--role", "reporter")
    assert unanswered.returncode == 130
    assert "ana" not in role_names(connection)

    told = mixhouse("db", "user", "ana", "--role", "reporter", MIXHOUSE_USER_PASSWORD=PASSWORD)
    assert told.returncode == 0, told.stderr
    assert "ana may log in as reporter: host 127.0.0.1" in told.stdout
    assert PASSWORD not in told.stdout + told.stderr

    more = mixhouse("db", "user", "ana", "--role", "loader", "--role", "ml")
    assert "ana is now also loader, ml" in more.stdout

    refused = mixhouse("train", PGUSER="ana", PGPASSWORD="wrong")
    assert refused.returncode == 3


def test_a_password_is_asked_for_twice_and_not_shown(owner: Connection) -> None:
    asked = CliRunner().invoke(cli, ["db", "user", "ana", "--role", "reporter"], input=f"{PASSWORD}\n{PASSWORD}\n")
    assert asked.exit_code == 0, asked.output
    assert PASSWORD not in asked.output
    assert "ana" in role_names(owner)


def test_a_refused_user_is_not_made(own_roles: None, connection: Connection) -> None:
    done = mixhouse("db", "user", "ana", "--role", "reporter", MIXHOUSE_USER_PASSWORD=PASSWORD)
    assert done.returncode == 3
    assert "mixhouse db roles" in done.stderr
    assert "ana" not in role_names(connection)


def test_what_a_role_may_not_do_is_said_in_one_line(owner: Connection, log_in: LogIn) -> None:
    log_in("reporter").thing.close()
    done = mixhouse("db", "roles", PGUSER="one_reporter", PGPASSWORD=PASSWORD)
    assert done.returncode == 3
    line = done.stderr.strip().splitlines()[-1]
    assert "permission denied" in line
    assert "docs/operations.md" in line
