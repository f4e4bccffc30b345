"""On whose behalf the database is being asked: the second wall behind `visible_to`.

Every connection of the application's role carries a setting, `xfra.access`, that row-level security
reads: `system` (workers, commands, the ingest door), a user's id, or `nobody`. It is set lazily, just
before a statement, when what the current context wants differs from what the connection has.
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

# The web server starts with nobody; workers and commands set XFRA_ACCESS=system at their entry.
_AT_START: Final = os.environ.get("XFRA_ACCESS", NOBODY)
_access: ContextVar[str] = ContextVar("xfra_access", default=_AT_START)


def current() -> str:
    return _access.get()


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


def connect() -> None:
    connection_created.connect(_watch, dispatch_uid="homes.access")


def _watch(connection: Any, **kwargs: Any) -> None:
    if connection.vendor == "postgresql" and _apply not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, _apply)


def _apply(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    raw = context["connection"].connection
    wanted = _access.get()
    if getattr(raw, "xfra_access", None) != wanted:
        raw.execute("SELECT set_config('xfra.access', %s, false)", [wanted])
        # Inside a transaction a rollback would undo the setting, so it is trusted only outside one.
        in_transaction = raw.info.transaction_status != TransactionStatus.IDLE
        raw.xfra_access = None if in_transaction else wanted
    return execute(sql, params, many, context)
