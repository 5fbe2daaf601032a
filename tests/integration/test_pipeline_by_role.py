"""The whole way through the house, each step by a database user who has the role for it and no other."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import golden
import psycopg
import pytest
from commands import Warehouse
from psycopg import sql

from warehouse.roles import ROLES
from warehouse.settings import PROJECT_ROOT

PASSWORD = "for tests only"  # noqa: S105


@dataclass(frozen=True)
class Steps:
    """A warehouse that its owner has built once, before there were roles, and then users of one role each."""

    owner: Warehouse
    folder: Path

    def user(self, kind: str) -> Warehouse:
        return Warehouse(self.owner.variables | {"PGUSER": f"only_{kind}", "PGPASSWORD": PASSWORD})

    def dbt(self, warehouse: Warehouse, *arguments: str) -> None:
        shutil.copyfile(PROJECT_ROOT / "profiles.example.yml", self.folder / "profiles.yml")
        folders = ("--profiles-dir", self.folder, "--target-path", self.folder / "target", "--log-path", self.folder)
        warehouse.run("dbt", *arguments, *folders, cwd=PROJECT_ROOT)


@pytest.fixture(scope="module")
def steps(
    server: dict[str, str], new_warehouse: Callable[[], Warehouse], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Steps]:
    with psycopg.connect(autocommit=True, **server) as superuser:
        before = role_names(superuser)
        assert not before & set(ROLES.values()), "other tests must prove that a warehouse needs no roles"
        steps = Steps(new_warehouse(), tmp_path_factory.mktemp("steps"))
        yield steps
        superuser.execute(f"drop database {steps.owner.variables['PGDATABASE']} with (force)".encode())
        for name in role_names(superuser) - before:
            superuser.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def role_names(connection: psycopg.Connection) -> set[str]:
    return {name for (name,) in connection.execute("select rolname from pg_roles")}


@pytest.fixture(scope="module")
def built(steps: Steps) -> Steps:
    """Built by the owner on nothing, then by the roles on the golden playlists."""
    steps.dbt(steps.owner, "seed")
    steps.dbt(steps.owner, "run")
    steps.owner.run("mixhouse", "db", "roles")
    secret = steps.owner.variables | {"MIXHOUSE_USER_PASSWORD": PASSWORD}
    for kind in ROLES:
        Warehouse(secret).run("mixhouse", "db", "user", f"only_{kind}", "--role", kind)
    golden.write(steps.folder / "slices")
    steps.user("loader").run("mixhouse", "load", steps.folder / "slices", code=golden.LOADED)
    steps.dbt(steps.user("transformer"), "build", "--selector", "before_ml")
    steps.user("ml").run("mixhouse", "train")
    steps.dbt(steps.user("transformer"), "build", "--selector", "after_ml")
    return steps


def relations(warehouse: Warehouse, schemas: tuple[str, ...] = ("marts", "insights")) -> list[str]:
    listed = ", ".join(f"'{schema}'" for schema in schemas)
    return [
        name
        for (name,) in warehouse.query(
            "select relnamespace::regnamespace || '.' || relname from pg_class"
            f" where relnamespace::regnamespace::text in ({listed}) and relkind in ('r', 'v', 'm', 'p')"
        )
    ]


def assert_readable(built: Steps) -> None:
    found = relations(built.owner)
    assert len(found) >= 13
    for kind in ("reporter", "web"):
        for relation in found:
            built.user(kind).query(f"select * from {relation} limit 1")


def test_each_step_is_done_by_its_role_and_people_read_the_result(built: Steps) -> None:
    count = "select count(*), count(predicted_followers) from marts.playlists"
    assert built.user("reporter").query(count) == [(len(golden.PLAYLISTS), len(golden.PLAYLISTS))]
    assert_readable(built)


@pytest.mark.parametrize("schema", ["staging", "intermediate", "features", "ml", "ops"])
def test_a_reporter_reads_nothing_else(built: Steps, schema: str) -> None:
    found = relations(built.owner, (schema,))
    assert found
    for relation in found:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            built.user("reporter").query(f"select * from {relation} limit 1")


def test_marts_and_insights_stay_readable_when_the_owner_replaces_them(built: Steps) -> None:
    numbers = "select oid from pg_class where relnamespace in ('marts'::regnamespace, 'insights'::regnamespace)"
    before = set(built.owner.query(numbers))
    built.dbt(built.owner, "run", "--full-refresh")
    assert not before & set(built.owner.query(numbers)), "something was not replaced"
    assert_readable(built)
    # Else the transformer could not replace them again.
    owners = built.owner.query(
        "select distinct relowner::regrole::text from pg_class where relkind in ('r', 'v')"
        " and relnamespace::regnamespace::text in ('intermediate', 'features', 'marts', 'insights')"
    )
    assert owners == [("mixhouse_transformer",)]


def test_one_user_with_three_roles_runs_it_all(built: Steps) -> None:
    options = [option for kind in ("loader", "transformer", "ml") for option in ("--role", kind)]
    Warehouse(built.owner.variables | {"MIXHOUSE_USER_PASSWORD": PASSWORD}).run(
        "mixhouse", "db", "user", "only_work", *options
    )
    worker = built.user("work")
    worker.run("mixhouse", "run", built.folder / "slices")
    worker.run("mixhouse", "report", "--output", built.folder / "report.html")
    assert "Models" in worker.run("mixhouse", "status").stdout
    assert_readable(built)


def test_a_user_who_was_only_given_the_group_by_sql_reads_as_well(built: Steps) -> None:
    with built.owner.connect() as connection:
        connection.execute(f"create role by_hand login password '{PASSWORD}' in role mixhouse_reporter".encode())
    reader = Warehouse(built.owner.variables | {"PGUSER": "by_hand", "PGPASSWORD": PASSWORD})
    assert reader.query("select count(*) from insights.overview") == [(1,)]
