"""Closing a month: every home from readings to an issued statement, in stages that can be stopped and taken up again.

Homes go through in batches. A batch is claimed with row locks and done in one transaction, so that several closers
share the work, and one that is killed leaves its batch as it was. A statement is issued with its number, chain link,
postings and notice in one transaction: there is no moment at which some of them are there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import DateRange
from django.db.models import Count, QuerySet
from django.utils import timezone

from billing import agreements, desk_log, freshness, runs, self_checks, statements
from billing.failpoints import reach
from billing.models import Agreement, Close, CloseItem, Statement
from billing.runs import Days, Held, Rated
from homes.calendar import midnight
from homes.models import Home, Party

BATCH: Final = 250
Stage = CloseItem.Stage
_PATIENCE_SECONDS: Final = 0.2

_ITEMS: Final = """
INSERT INTO billing_closeitem (close_id, home_id, start, "end", stage, code, problem, remedy, changed_at)
SELECT %s, h.id, coalesce(lower(a.span * daterange(%s, %s)), %s), coalesce(upper(a.span * daterange(%s, %s)), %s),
  CASE WHEN a.id IS NULL THEN 'held' ELSE 'waiting' END, CASE WHEN a.id IS NULL THEN 'no_agreement' ELSE '' END,
  CASE WHEN a.id IS NULL THEN 'no agreement is in force' ELSE '' END,
  CASE WHEN a.id IS NULL THEN 'conclude one' ELSE '' END, now()
FROM homes_home h LEFT JOIN billing_agreement a ON a.home_id = h.id AND a.span && daterange(%s, %s)
LEFT JOIN LATERAL (SELECT min(t.tariff_id) AS tariff_id FROM billing_tariffassignment t
  WHERE t.home_id = h.id AND t.span && daterange(%s, %s)) t ON true
WHERE a.id IS NOT NULL OR h.created_at < %s
ORDER BY t.tariff_id, h.id
ON CONFLICT (close_id, home_id, start) DO NOTHING
"""
"""Homes of one tariff follow one another, because those of a batch are rated together."""


class MonthNotOver(ValueError):
    """The month is not over yet in every home's time zone."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How many items are at each stage."""

    close_id: int
    month: date
    stages: dict[str, int]
    is_issuing: bool = False

    @property
    def total(self) -> int:
        return sum(self.stages.values())

    @property
    def is_done(self) -> bool:
        """Nothing is left that this program could do."""
        return not self.stages.get(Stage.WAITING) and not (self.is_issuing and self.stages.get(Stage.REVIEWED))

    def __str__(self) -> str:
        parts = [f"{self.stages[stage]:,} {stage}" for stage in Stage if self.stages.get(stage)]
        return f"{self.month:%B %Y}: " + (", ".join(parts) or "no homes")


def month_end(month: date) -> date:
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)


def begin(month: date, by: Party | None = None, now: datetime | None = None) -> Close:
    """The close of a month, begun now or before; homes that came since are added, and what was held is tried again.

    Raises BooksBroken if the books do not add up, MonthNotOver if a home still lives in that month.
    """
    start, end = month.replace(day=1), month_end(month)
    at = now or timezone.now()
    for home in Home.objects.order_by("timezone").distinct("timezone"):
        if at < midnight(home.zone, end):
            raise MonthNotOver(f"{start:%B %Y} is not over in {home.timezone}")
    self_checks.refuse_if_broken()
    with transaction.atomic():
        close, _ = Close.objects.get_or_create(month=start, defaults={"started_by": by})
        _answered(close, end).delete()
        _add_items(close, start, end)
        retry_held(close)
    return close


def _answered(close: Close, end: date) -> QuerySet[CloseItem]:
    """Held for want of an agreement, and now there is one: it may begin on another day."""
    unagreed = close.items.filter(stage=Stage.HELD, code="no_agreement")
    return unagreed.filter(home__agreements__span__overlap=DateRange(close.month, end))


def _add_items(close: Close, start: date, end: date) -> None:
    span = [start, end]
    before = datetime.combine(end, datetime.min.time(), UTC)
    arguments: list[Any] = [close.pk, *span, start, *span, end, *span, *span, before]
    with connection.cursor() as cursor:
        cursor.execute(_ITEMS, arguments)


def retry_held(close: Close) -> int:
    """What was held waits again: its readings or its tariff may have come."""
    held = close.items.filter(stage=Stage.HELD).exclude(code="no_agreement")
    return held.update(stage=Stage.WAITING, code="", problem="", remedy="", changed_at=timezone.now())


@transaction.atomic
def draft_batch(close: Close, size: int = BATCH) -> int:
    """Rate and draft some that wait. Returns how many were claimed; 0 when none is left that nobody else has."""
    items = _claim(close, Stage.WAITING, size)
    if not items:
        return 0
    reach("claimed")
    results = runs.rate_many([Days(item.home, item.start, item.end) for item in items])
    reach("rated")
    rated = [(item, result) for item, result in zip(items, results, strict=True) if isinstance(result, Rated)]
    held = {item.pk: result for item, result in zip(items, results, strict=True) if isinstance(result, Held)}
    stored = runs.store([result for _, result in rated])
    drafted = _draft(rated, stored, held)
    reach("drafted")
    _hold(held)
    _move(drafted, Stage.DRAFTED)
    desk_log.record(
        "rated", f"{_homes(len(items))} of {close.month:%B %Y} rated: {len(drafted):,} drafted, {len(held):,} held."
    )
    return len(items)


def _draft(
    rated: Sequence[tuple[CloseItem, Rated]], stored: Sequence[tuple[int, int] | Held], held: dict[int, Held]
) -> dict[int, int]:
    """Statements by item. Those that turn out to be held are added to `held`."""
    agreed = _agreements([item for item, _ in rated])
    period_ids = [kept[0] for kept in stored if not isinstance(kept, Held)]
    issued = set(Statement.objects.issued().filter(period__in=period_ids).values_list("period", flat=True))
    drafts: list[tuple[int, int, Rated, Agreement]] = []
    drafted: list[int] = []
    for (item, result), kept in zip(rated, stored, strict=True):
        agreement = agreed.get(item.pk)
        if isinstance(kept, Held):
            held[item.pk] = kept
        elif agreement is None:
            held[item.pk] = Held("agreement_changed", "the agreement changed since the close began", "begin it again")
        elif kept[0] in issued:
            held[item.pk] = Held("issued_before", "these days have an issued statement", "correct that one")
        else:
            drafts.append((*kept, result, agreement))
            drafted.append(item.pk)
    return dict(zip(drafted, statements.insert_drafts(drafts), strict=True)) if drafts else {}


def _agreements(items: Sequence[CloseItem]) -> dict[int, Agreement]:
    """By item, the agreement that is in force on all of its days."""
    if not items:
        return {}
    start, end = min(item.start for item in items), max(item.end for item in items)
    by_home = agreements.in_force([item.home_id for item in items], start, end)
    return {
        item.pk: agreement
        for item in items
        for agreement in by_home.get(item.home_id, [])
        if agreement.span.lower <= item.start and (agreement.span.upper is None or item.end <= agreement.span.upper)
    }


def review(close: Close, by: Party | None = None, items: Iterable[int] | None = None) -> int:
    """Approve drafts, all or some, for issue. Returns how many."""
    drafted = close.items.filter(stage=Stage.DRAFTED)
    if items is not None:
        drafted = drafted.filter(pk__in=list(items))
    return drafted.update(stage=Stage.REVIEWED, reviewed_by=by, changed_at=timezone.now())


def take_back(close: Close, items: Iterable[int]) -> int:
    """What was approved and is not issued yet is a draft again. Returns how many."""
    reviewed = close.items.filter(stage=Stage.REVIEWED, pk__in=list(items))
    return reviewed.update(stage=Stage.DRAFTED, reviewed_by=None, changed_at=timezone.now())


def start_issuing(close: Close, by: Party) -> int:
    """Have `advance` issue what is reviewed. Returns how many that is; where it is nothing, nothing is begun."""
    count = close.items.filter(stage=Stage.REVIEWED).count()
    if count:
        Close.objects.filter(pk=close.pk).update(issuing_by=by)
        close.issuing_by = by
    return count


@transaction.atomic
def issue_batch(close: Close, by: Party | None = None, size: int = BATCH) -> int:
    """Issue some that are reviewed. Those whose readings or tariff changed since wait to be drafted anew."""
    items = {item.statement_id: item.pk for item in _claim(close, Stage.REVIEWED, size) if item.statement_id}
    if not items:
        return 0
    stale = freshness.stale(list(items))
    _move({items[pk]: None for pk in stale}, Stage.WAITING)
    fresh = [pk for pk in items if pk not in stale]
    issued = statements.issue_many(fresh, by)
    _move({items[pk]: pk for pk in fresh}, Stage.ISSUED)
    if issued:
        numbers = [statement.number or 0 for statement in issued]
        said = f"{min(numbers)} to {max(numbers)}" if len(numbers) > 1 else str(numbers[0])
        desk_log.record("statements_issued", f"Issued for {close.month:%B %Y}: statement {said}.", by=by, subject=said)
    reach("issued")
    return len(items)


def _claim(close: Close, stage: CloseItem.Stage, size: int) -> list[CloseItem]:
    found = CloseItem.objects.select_related("home").filter(close=close, stage=stage).order_by("pk")
    return list(found.select_for_update(skip_locked=True, of=("self",))[:size])


def _move(items: Mapping[int, int | None], stage: CloseItem.Stage) -> None:
    """Items with their statements to a stage."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE billing_closeitem i SET stage = %s, statement_id = w.s, code = '', problem = '', remedy = '',"
            " changed_at = now() FROM unnest(%s::bigint[], %s::bigint[]) w(i, s) WHERE i.id = w.i",
            [str(stage), list(items), list(items.values())],
        )


def _hold(held: Mapping[int, Held]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE billing_closeitem i SET stage = 'held', statement_id = NULL, code = w.c, problem = w.p,"
            " remedy = w.r, changed_at = now()"
            " FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) w(i, c, p, r) WHERE i.id = w.i",
            [
                list(held),
                [one.code for one in held.values()],
                [one.problem for one in held.values()],
                [one.remedy for one in held.values()],
            ],
        )


def _homes(count: int) -> str:
    return "1 home" if count == 1 else f"{count:,} homes"


def progress(close: Close) -> Progress:
    counts = close.items.values_list("stage").annotate(count=Count("pk")).order_by()
    is_issuing = Close.objects.filter(pk=close.pk, issuing_by__isnull=False).exists()
    return Progress(close.pk, close.month, dict(counts), is_issuing)


def advance(close: Close, seconds: float = 20.0) -> Progress:
    """Some seconds' worth of drafting what waits and, once somebody said so, of issuing what is reviewed.

    For a task that is woken again. When all that was reviewed is issued, issuing ends until somebody says so again.
    """
    until = time.monotonic() + seconds
    by = Close.objects.select_related("issuing_by").get(pk=close.pk).issuing_by
    while time.monotonic() < until:
        if not draft_batch(close) and not (by and issue_batch(close, by)):
            break
    found = progress(close)
    if by and not found.stages.get(Stage.REVIEWED):
        Close.objects.filter(pk=close.pk, issuing_by=by).update(issuing_by=None)
    if set(found.stages) == {Stage.ISSUED} and close.finished_at is None:
        Close.objects.filter(pk=close.pk, finished_at__isnull=True).update(finished_at=timezone.now())
        self_checks.refuse_if_broken()
    return found


def run(
    close: Close,
    by: Party | None = None,
    *,
    issues: bool = False,
    size: int = BATCH,
    say: Callable[[Progress], None] = lambda _: None,
) -> Progress:
    """The whole close from here on: draft everything that waits; if it `issues`, review and issue it all too.

    Raises BooksBroken if the books do not add up afterwards.
    """
    while True:
        if issues:
            review(close, by)
        worked = draft_batch(close, size) or (issues and issue_batch(close, by, size))
        found = progress(close)
        if worked:
            say(found)
        elif found.is_done and not (issues and (found.stages.get(Stage.DRAFTED) or found.stages.get(Stage.REVIEWED))):
            break
        else:
            time.sleep(_PATIENCE_SECONDS)  # somebody else has claimed the rest, or a killed closer's are not free yet
    self_checks.refuse_if_broken()
    if set(found.stages) <= {Stage.ISSUED}:
        Close.objects.filter(pk=close.pk, finished_at__isnull=True).update(finished_at=timezone.now())
    return found
