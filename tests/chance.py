"""What no test may rely on is left to chance: the order (pytest-randomly) and the numbers that Postgres gives out.

Both follow from one seed, which is printed whenever tests have run. `--randomly-seed=N` repeats a run.
"""

from __future__ import annotations

import random
from typing import Final

import pytest
from django.db import connections

_MOST_SKIPPED: Final = 1_000_000
"""Far below what an integer column holds, far above what a test makes."""


def begin_anywhere(seed: int) -> None:
    """Let every sequence of the test database go on at a number of its own, so that two tables never count alike."""
    chance = random.Random(seed)
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT schemaname, sequencename FROM pg_sequences WHERE schemaname = 'public' ORDER BY 2")
        for schema, name in cursor.fetchall():
            cursor.execute(
                "SELECT setval(format('%%I.%%I', %s::text, %s::text)::regclass,"
                " nextval(format('%%I.%%I', %s::text, %s::text)::regclass) + %s)",
                [schema, name, schema, name, chance.randrange(_MOST_SKIPPED)],
            )


def seed_of(config: pytest.Config) -> int:
    """The seed of this run, the same in each of its workers. With pytest-randomly switched off it is zero."""
    found = config.getoption("randomly_seed", 0)
    return found if isinstance(found, int) else 0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.write_line(f"order and numbers: --randomly-seed={seed_of(config)}")
