"""Database roles: a group for each kind of work, and users who belong to some of them."""

import logging
from collections.abc import Sequence
from pathlib import Path

from psycopg import Connection, sql

from warehouse.errors import RoleRefused

logger = logging.getLogger(__name__)

ROLES_FILE = Path(__file__).with_name("roles.sql")
ROLES = {
    "loader": "mixhouse_loader",
    "transformer": "mixhouse_transformer",
    "ml": "mixhouse_ml",
    "web": "mixhouse_web",
    "reporter": "mixhouse_reporter",
}
"""The kinds of work, and the group role of each: roles belong to the whole server, hence the prefix."""
QUEUE = "jobs"
"""The schema of the queue, which the web application makes."""


def apply_roles(connection: Connection) -> dict[str, str]:
    """Make the group roles, and give each what it needs in this database and nothing else.

    May run at any time, again and again; readers notice nothing.

    Args:
        connection: Open, as a superuser, or as the owner of the database with `createrole`.

    Returns:
        What each role is for, by its name, in the order of `ROLES`.

    Raises:
        psycopg.errors.InsufficientPrivilege: the user may not make roles, or does not own the schemas.
    """
    with connection.transaction():
        # Making what exists, and granting what is granted, makes notices, and nobody needs them.
        connection.execute("set local client_min_messages = error")
        connection.execute(ROLES_FILE.read_bytes())
        if connection.execute("select to_regnamespace(%s)", [QUEUE]).fetchone() != (None,):
            grant_queue(connection)
        rows = connection.execute(
            "select rolname, shobj_description(oid, 'pg_authid') from pg_roles"
            " where rolname = any(%(roles)s) order by array_position(%(roles)s, rolname::text)",
            {"roles": list(ROLES.values())},
        ).fetchall()
    logger.info("event=roles_applied database=%s", connection.info.dbname)
    return {name: str(purpose).removeprefix("Mixhouse: ") for name, purpose in rows}


def grant_queue(connection: Connection) -> None:
    """Let those use the queue who need it, as far as there are roles: who serves asks, who builds does."""
    for kind, privileges in {"web": "select, insert", "transformer": "select, insert, update, delete"}.items():
        if exists(connection, ROLES[kind]):
            names = {"queue": sql.Identifier(QUEUE), "role": sql.Identifier(ROLES[kind])}
            for statement in (
                "grant usage on schema {queue} to {role}",
                f"grant {privileges} on all tables in schema {{queue}} to {{role}}",
                "grant usage on all sequences in schema {queue} to {role}",
            ):
                connection.execute(sql.SQL(statement).format(**names))


def exists(connection: Connection, name: str) -> bool:
    """Say whether the server has a role of this name."""
    return connection.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone() is not None


def create_user(connection: Connection, name: str, password: str) -> None:
    """Make a user who may log in and nothing else.

    The server is sent what it stores of the password, so that its log has no more than that either.

    Args:
        connection: Open, as a superuser or with `createrole`.
        name: Of the user.
        password: Not empty.

    Raises:
        RoleRefused: the password is empty.
        psycopg.errors.DuplicateObject: there is such a role.
    """
    if not password:
        raise RoleRefused("An empty password lets nobody in. Give one.")
    stored = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
    connection.execute(
        sql.SQL("create role {} login password {}").format(sql.Identifier(name), sql.Literal(stored.decode()))
    )
    logger.info("event=user_created user=%s", name)


def grant_roles(connection: Connection, name: str, kinds: Sequence[str]) -> None:
    """Let a user do these kinds of work, besides those that they may do already.

    Args:
        connection: Open, as a superuser or as whoever made the roles.
        name: Of a user who exists.
        kinds: Keys of `ROLES`.

    Raises:
        RoleRefused: it is a superuser or a group role, or there are no group roles yet.
    """
    if name in ROLES.values():
        raise RoleRefused(f"{name} is a group role, and nobody logs in as one. Name a user.")
    if connection.execute("select 1 from pg_roles where rolname = %s and rolsuper", [name]).fetchone():
        raise RoleRefused(f"{name} is a superuser and may do everything already. Name another user.")
    groups = [ROLES[kind] for kind in kinds]
    if missing := [group for group in groups if not exists(connection, group)]:
        raise RoleRefused(f"There is no role {', '.join(missing)} yet. Make the roles with: mixhouse db roles")
    connection.execute(
        sql.SQL("grant {} to {}").format(sql.SQL(", ").join(map(sql.Identifier, groups)), sql.Identifier(name))
    )
    logger.info("event=roles_granted user=%s roles=%s", name, ",".join(groups))
