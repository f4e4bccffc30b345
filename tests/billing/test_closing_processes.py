"""Closes in real processes: two at once, killed at every stage, and a correction that comes in between."""

from __future__ import annotations

import signal
from datetime import date

import pytest

from billing import closing, corrections, ledger, self_checks, statements
from billing.models import ChainLink, Channel, Close, Entry, Notice, RatingRun, Statement
from tests.billing import months
from tests.billing.committed import HOMES, World, _django_db_helper, world
from tests.cast import needs_database

__all__ = ["_django_db_helper", "world"]

pytestmark = needs_database

CLOSE = ("close_month", "2026-04", "--issue", "--batch", "2")
STAGES = ("claimed", "rated", "drafted", "numbered", "chained", "posted", "noticed", "issued")


def everything_once() -> None:
    """One statement, one number, one run, one link, one entry, one notice for each home; the books add up."""
    assert self_checks.self_check() == []
    assert sorted(Statement.objects.values_list("number", flat=True)) == list(range(1, HOMES + 1))
    assert Statement.objects.values("home").distinct().count() == HOMES
    for model in (ChainLink, Entry, Notice, RatingRun):
        assert model._default_manager.count() == HOMES, model
    assert closing.progress(Close.objects.get()).stages == {"issued": HOMES}


@pytest.mark.parametrize("failpoint", STAGES)
def test_a_close_that_is_killed_goes_on_where_it_was(world: World, failpoint: str) -> None:
    killed = world.run(*CLOSE, failpoint=failpoint)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert self_checks.self_check() == []
    done = world.run(*CLOSE)
    assert done.returncode == 0, done.stderr
    everything_once()


def test_two_closes_at_once_share_the_work(world: World) -> None:
    both = [world.start(*CLOSE) for _ in range(2)]
    for process in both:
        _, complained = process.communicate(timeout=120)
        assert process.returncode == 0, complained
    everything_once()


def test_a_close_done_again_changes_nothing(world: World) -> None:
    for _ in range(2):
        assert world.run(*CLOSE).returncode == 0
    everything_once()


def test_a_correction_between_draft_and_issue_is_in_the_statement(world: World) -> None:
    drafted = world.run("close_month", "2026-04", "--batch", "2")
    assert drafted.returncode == 0, drafted.stderr
    home = world.homes[1]
    months.write(home, Channel.NODE, date(2026, 4, 10), [200] * 96)
    assert world.run(*CLOSE).returncode == 0
    assert self_checks.self_check() == []
    assert sorted(Statement.objects.values_list("number", flat=True)) == list(range(1, HOMES + 1))
    assert Statement.objects.get(home=home).total_cents == -(10_368 - 115)
    assert ledger.owed_to_host(home.pk) == 10_368 - 115
    assert corrections.find(months.APRIL) == []


def test_corrections_that_come_while_it_closes_are_never_lost(world: World) -> None:
    home = world.homes[-2]
    closer = world.start(*CLOSE)
    on = 1
    while closer.poll() is None and on < 28:
        months.write(home, Channel.NODE, date(2026, 4, on), [200] * 96)
        on += 1
    assert closer.wait(120) == 0
    months.write(home, Channel.NODE, date(2026, 4, 29), [100] * 96)
    drafts = corrections.draft_revisions(months.APRIL)
    statements.issue_many([draft.pk for draft in drafts])
    assert self_checks.self_check() == []
    current = Statement.objects.issued().current().get(home=home)
    cost = months.rated(home).pair.node_cost
    assert ledger.owed_to_host(home.pk) == -current.total_cents == round(cost * 100)
    numbers = sorted(Statement.objects.values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
