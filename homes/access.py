"""On whose behalf the database is being asked: the second wall behind `visible_to`.

Every connection of the application's role carries a setting, `xfra.access`, that row-level security reads: `system`
(workers, commands, the ingest door), a user's id, `nobody`, or `signing-in` (somebody who is nobody yet, at a door of
signing in, where passwords and factors of others are compared). It is set lazily, just before a statement, when what
the current context wants differs from what the connection has.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from django.db.backends.signals import connection_created
from psycopg.pq import TransactionStatus

SYSTEM: Final = "system"
NOBODY: Final = "nobody"
SIGNING_IN: Final = "signing-in"

_access: ContextVar[str] = ContextVar("xfra_access")
_at_start = os.environ.get("XFRA_ACCESS", NOBODY)  # the web server starts with nobody, manage.py as the system


def current() -> str:
    return _access.get(_at_start)


def start_as_system() -> None:
    """For a worker's entry, before it forks: what is not on somebody's behalf is the system's own work."""
    global _at_start
    _at_start = SYSTEM


def set_current(access: str) -> None:
    """For middleware only; everything else uses the context managers below."""
    _access.set(access)


@contextmanager
def acting_as(user_id: int) -> Iterator[None]:
    """Within the block, the database shows what this user may see and nothing else."""
    token = _access.set(str(user_id))
    try:
        yield
    finally:
        _access.reset(token)


@contextmanager
def acting_as_system() -> Iterator[None]:
    """Within the block, the database shows everything: for authentication, ingest and upkeep."""
    token = _access.set(SYSTEM)
    try:
        yield
    finally:
        _access.reset(token)


@contextmanager
def signing_in() -> Iterator[None]:
    """Within the block, the database shows what signing in compares with, and no home."""
    token = _access.set(SIGNING_IN)
    try:
        yield
    finally:
        _access.reset(token)


def connect() -> None:
    connection_created.connect(_watch, dispatch_uid="homes.access")


def _watch(connection: Any, **kwargs: Any) -> None:
    if connection.vendor == "postgresql" and _apply not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, _apply)


def _apply(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    raw = context["connection"].connection
    wanted, status = current(), raw.info.transaction_status
    # A failed transaction takes nothing but its rollback, which says on nobody's behalf anything.
    if getattr(raw, "xfra_access", None) != wanted and status != TransactionStatus.INERROR:
        raw.execute("SELECT set_config('xfra.access', %s, false)", [wanted])
        # Inside a transaction a rollback would undo the setting, so it is trusted only outside one. Where this is what
        # began one, as the first statement of an atomic block is, it has to be kept before anything else happens.
        if status == TransactionStatus.IDLE and not raw.autocommit:
            raw.commit()
        raw.xfra_access = wanted if status == TransactionStatus.IDLE else None
    return execute(sql, params, many, context)
