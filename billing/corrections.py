"""Corrections: issued statements whose readings or tariff became known differently are revised, cent by cent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from django.db import transaction

from billing import desk_log, freshness, history, runs, statements, tariff_book
from billing.line_names import name_lines
from billing.models import Statement, StatementLine
from billing.runs import Days, Held
from billing.statement_content import FIGURES
from homes.models import Home

_BATCH: Final = 250
_Key = tuple[str, str, int | None, int | None, int | None, str]
"""What a line is of, which two statements of the same days have in common."""


class CannotRevise(ValueError):
    """There is nothing to revise, or it cannot be rated; the message says which."""


@dataclass(frozen=True, slots=True)
class Change:
    """One line of two statements of the same days; 0 where one has no such line. Cents."""

    section: str
    name: str
    was_with: int
    now_with: int
    was_without: int
    now_without: int
    was_amount: int
    now_amount: int

    @property
    def change(self) -> int:
        """Of what the host owes."""
        return self.now_amount - self.was_amount


def find(since: date) -> list[Statement]:
    """Current statements of periods that end after `since` and that would be rated from something else now."""
    current = Statement.objects.issued().current().filter(period__end__gt=since).order_by("pk")
    ids = list(current.values_list("pk", flat=True))
    stale: set[int] = set()
    for first in range(0, len(ids), _BATCH):
        stale |= freshness.stale(ids[first : first + _BATCH])
    return list(Statement.objects.select_related("home").filter(pk__in=stale).order_by("pk"))


def draft_revisions(since: date) -> list[Statement]:
    """Draft what `find` finds, where it changes a cent. Drafts wait in the desk's list until they are issued."""
    drafted = []
    for statement in find(since):
        try:
            revision = revise(statement, "later readings or a tariff that became known later")
        except CannotRevise:
            continue  # what it lacks now shows in the completeness of its month
        if revision is not None:
            drafted.append(revision)
            words = f"A correction of statement {statement.number} is drafted: it waits to be looked at and issued."
            desk_log.record(
                "correction_drafted", words, home=statement.home, subject=str(statement.number), why=revision.why
            )
    return drafted


@transaction.atomic
def revise(statement: Statement, why: str) -> Statement | None:
    """A draft that revises an issued statement by what is known now; None if not a cent would change, here or later.

    Asked again it makes the draft anew. Raises CannotRevise.
    """
    Home.objects.select_for_update(no_key=True).get(pk=statement.home_id)  # one reviser of a home at a time
    found = Statement.objects.select_related("home", "period", "agreement", "run").get(pk=statement.pk)
    if found.state != Statement.State.ISSUED:
        raise CannotRevise("a draft is made anew, not revised")
    if Statement.objects.issued().filter(revises=found).exists():
        raise CannotRevise(f"statement {found.number} has been revised: revise the latest")
    (result,) = runs.rate_many([Days(found.home, found.period.start, found.period.end)])
    if isinstance(result, Held):
        raise CannotRevise(result.problem)
    (stored,) = runs.store([result])
    if isinstance(stored, Held):
        raise CannotRevise(stored.problem)
    ids = statements.insert_drafts([(*stored, result, found.agreement)], revises=[(found.pk, why)])
    revision = Statement.objects.get(pk=ids[0])
    looks_back = history.is_needed([span.tariff for span in result.spans])
    if not _differs(found, revision) and not (looks_back and found.run.outcome != revision.run.outcome):
        revision.lines.all().delete()
        revision.delete()
        return None
    return revision


def changes(revision: Statement) -> list[Change]:
    """Was and now of each line that changed."""
    if revision.revises is None:
        return []
    was, now = _by_key(revision.revises.lines.all()), _by_key(revision.lines.all())
    names = {**_names(revision.revises), **_names(revision)}
    found = []
    for key in dict.fromkeys([*now, *was]):
        old, new = was.get(key, (0, 0, 0)), now.get(key, (0, 0, 0))
        if old != new:
            pairs = [number for pair in zip(old, new, strict=True) for number in pair]
            found.append(Change(str(key[0]), names[key], *pairs))
    return found


def _names(statement: Statement) -> dict[_Key, str]:
    lines = list(statement.lines.all())
    named = name_lines(lines, tariff_book.spans_of(statement.run))
    return {_key(line): name.name for line, name in zip(lines, named, strict=True)}


def _differs(was: Statement, now: Statement) -> bool:
    return any(getattr(was, name) != getattr(now, name) for name in FIGURES) or _by_key(was.lines.all()) != _by_key(
        now.lines.all()
    )


def _key(line: StatementLine) -> _Key:
    return (line.section, line.component, line.span, line.tou_period, line.tier, line.label)


def _by_key(lines: Iterable[StatementLine]) -> dict[_Key, tuple[int, int, int]]:
    """Cents with and without the node and of what is owed, by what a line is of; of equal ones the sum."""
    found: dict[_Key, tuple[int, int, int]] = {}
    for line in lines:
        key = _key(line)
        before: Sequence[int] = found.get(key, (0, 0, 0))
        found[key] = (
            before[0] + line.with_cents,
            before[1] + line.without_cents,
            before[2] + line.amount_cents,
        )
    return found
