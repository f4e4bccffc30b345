"""Homes that other processes can see: committed to the test database, and gone after the test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from homes.access import acting_as_system
from homes.models import Home
from homes.provisioning import Plan, provision
from tests.billing import months

ROOT: Final = Path(__file__).resolve().parent.parent.parent
HOMES: Final = 5
_STAYS: Final = ("django_migrations", "django_content_type", "auth_permission", "billing_taxthreshold")


@dataclass(frozen=True)
class World:
    """Homes with agreement, tariff and the readings of April. Each is billed $0.12 for 864 kWh of its node."""

    homes: list[Home]

    def start(self, *arguments: str, failpoint: str = "") -> subprocess.Popen[str]:
        """manage.py in a process of its own, on the test database."""
        return subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env={**os.environ, "XFRA_FAILPOINT": failpoint, **_addresses()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, failpoint: str = "") -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, failpoint=failpoint)
        said, complained = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, said, complained)


def _addresses() -> dict[str, str]:
    """The test run's servers, with the name of the test database."""
    found = {}
    for name, alias in (("DATABASE_URL", "default"), ("DATABASE_OWNER_URL", "owner")):
        path = "/" + str(connections[alias].settings_dict["NAME"])
        found[name] = urlunsplit(urlsplit(os.environ[name])._replace(path=path))
    return found


@pytest.fixture
def _django_db_helper() -> None:
    """In place of pytest-django's: no transaction round the test, and no TRUNCATE as a role that may not."""


@pytest.fixture
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with django_db_blocker.unblock(), acting_as_system():
        try:
            yield World([_home(number) for number in range(HOMES)])
        finally:
            _empty()


def _home(number: int) -> Home:
    node, _ = provision(Plan(f"closed-{number:05d}", "America/Phoenix", "Cast Energy", "Cast Cable"))
    months.settle_in(node.home, months.HOLD if number % 2 else months.FLAT)
    months.usual(node.home)
    return node.home


def _empty() -> None:
    """As the owner: the application could not."""
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL (%s)"
    with connections["owner"].cursor() as cursor:
        cursor.execute(tables, [list(_STAYS)])
        names = ", ".join(f'"{name}"' for (name,) in cursor.fetchall())
        cursor.execute(f"TRUNCATE {names} CASCADE")
