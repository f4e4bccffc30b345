"""Roles, database and extensions of the embedded Postgres. Safe to repeat: every start does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

SUPERUSER = "postgres"
OWNER_ROLE = "xfra_owner"
APP_ROLE = "xfra_app"
DATABASE = "xfra"
EXTENSIONS = ("btree_gist", "pg_stat_statements")

_OWNER_MAY = "LOGIN CREATEDB NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS"
_APP_MAY = "LOGIN NOCREATEDB NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS"

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, repr=False)
class Passwords:
    superuser: str
    owner: str
    app: str


def _connect(host: str, port: int, password: str, database: str) -> Connection:
    return psycopg.connect(
        host=host, port=port, user=SUPERUSER, password=password, dbname=database, autocommit=True, connect_timeout=2
    )


def can_log_in(host: str, port: int, password: str) -> bool:
    try:
        with _connect(host, port, password, "postgres"):
            return True
    except psycopg.OperationalError:
        return False


def set_up(host: str, port: int, passwords: Passwords) -> None:
    """Make what is missing. Extensions also go into template1: test databases are copied from it, and the owner's
    role, which makes them, may not add extensions."""
    with _connect(host, port, passwords.superuser, "postgres") as connection:
        _ensure_role(connection, OWNER_ROLE, _OWNER_MAY, passwords.owner)
        _ensure_role(connection, APP_ROLE, _APP_MAY, passwords.app)
    with _connect(host, port, passwords.superuser, "template1") as connection:
        _prepare_database(connection)
    with _connect(host, port, passwords.superuser, "postgres") as connection:
        _ensure_database(connection)
    with _connect(host, port, passwords.superuser, DATABASE) as connection:
        _prepare_database(connection)


def _ensure_role(connection: Connection, role: str, may: str, password: str) -> None:
    """The password travels already hashed, so that neither the log nor pg_stat_statements can show it."""
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    hashed = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    statement = sql.SQL("ALTER ROLE {} {} PASSWORD {}" if found else "CREATE ROLE {} {} PASSWORD {}")
    connection.execute(statement.format(sql.Identifier(role), sql.SQL(may), sql.Literal(hashed)))


def _ensure_database(connection: Connection) -> None:
    name, owner, app = sql.Identifier(DATABASE), sql.Identifier(OWNER_ROLE), sql.Identifier(APP_ROLE)
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, owner))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    # TEMPORARY because batches are copied into temporary tables before they are merged.
    connection.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(name, app))


def _prepare_database(connection: Connection) -> None:
    for extension in EXTENSIONS:
        connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension)))
    connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(sql.Identifier(APP_ROLE)))
