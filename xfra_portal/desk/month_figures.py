"""The figures of the desk's months: how complete they are, how far their close is, what it comes to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.core.cache import cache
from django.db.backends.postgresql.psycopg_any import DateRange
from django.db.models import Count, F, Sum
from django.db.models.functions import TruncMonth

from billing import closing, completeness
from billing.completeness import Counts
from billing.intervals.days import days_between, quarter_count
from billing.models import Agreement, Channel, Close, CloseItem, Quarantine, Statement
from homes.models import Home

NEEDED: Final = (Channel.SITE_IMPORT, Channel.NODE)
"""Channels without which a month is not rated."""
SHOWN_MONTHS: Final = 18
SUMMED_HOMES: Final = 500
"""For more homes the overview does not count quarter-hours: each month's own page does, home by home."""
_REMEMBERED_SECONDS: Final = 60
Stage = CloseItem.Stage


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a bar, in per cent of its width."""

    name: str
    words: str
    count: int
    x: float
    width: float


@dataclass(frozen=True)
class MonthRow:
    """A month of the overview."""

    month: date
    is_over: bool
    close: Close | None
    stages: dict[str, int]
    questions: int
    sums: dict[str, int] = field(default_factory=dict)
    known_ratio: float | None = None

    @property
    def homes(self) -> int:
        return sum(self.stages.values())

    @property
    def held(self) -> int:
        return self.stages.get(Stage.HELD, 0)

    @property
    def shares(self) -> list[Share]:
        return shares(self.stages)

    @property
    def state(self) -> str:
        """In words, what this month is at."""
        if not self.is_over:
            return "still running"
        if self.close is None:
            return "not begun"
        if self.homes and self.stages.get(Stage.ISSUED, 0) == self.homes:
            return "issued"
        for stage, words in (
            (Stage.WAITING, "being rated"),
            (Stage.DRAFTED, "to be reviewed"),
            (Stage.REVIEWED, "to be issued"),
        ):
            if self.stages.get(stage):
                return words
        return "issued but for what is held" if self.stages.get(Stage.ISSUED) else "held"


def shares(stages: dict[str, int]) -> list[Share]:
    """A close's stages as parts of one bar, the furthest first."""
    total, at, found = sum(stages.values()), 0.0, []
    for stage in (Stage.ISSUED, Stage.REVIEWED, Stage.DRAFTED, Stage.WAITING, Stage.HELD):
        count = stages.get(stage, 0)
        width = 100 * count / total if total else 0.0
        found.append(Share(str(stage), STAGE_WORDS[stage], count, round(at, 2), round(width, 2)))
        at += width
    return found


STAGE_WORDS: Final = {
    Stage.ISSUED: "issued",
    Stage.REVIEWED: "approved",
    Stage.DRAFTED: "to review",
    Stage.WAITING: "being rated",
    Stage.HELD: "held",
}


def overview(now: datetime) -> list[MonthRow]:
    """The latest first, from the first month with an agreement or a close to the one that is running."""
    closes = {close.month: close for close in Close.objects.all()}
    stages = _stages()
    questions = _questions()
    sums = _sums()
    rows = []
    for month in _months(closes, now)[:SHOWN_MONTHS]:
        close = closes.get(month)
        rows.append(
            MonthRow(
                month,
                is_over=closing.month_end(month) <= now.date(),
                close=close,
                stages=stages.get(close.pk, {}) if close else {},
                questions=questions.get(month, 0),
                sums=sums.get(month, {}),
                known_ratio=_known_ratio(month, now.date()),
            )
        )
    return rows


def _months(closes: Iterable[date], now: datetime) -> list[date]:
    starts = [
        span.lower for span in Agreement.objects.filter(span__isempty=False).values_list("span", flat=True)[:5000]
    ]
    first = min([*closes, *(start.replace(day=1) for start in starts if start)], default=None)
    month = now.date().replace(day=1)
    found = [month]
    while first is not None and month > first:
        month = (month - timedelta(days=1)).replace(day=1)
        found.append(month)
    return found


def _stages() -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}
    rows = CloseItem.objects.values_list("close_id", "stage").annotate(count=Count("pk")).order_by()
    for close_id, stage, count in rows:
        found.setdefault(close_id, {})[stage] = count
    return found


def _questions() -> dict[date, int]:
    rows = Quarantine.objects.filter(state=Quarantine.State.OPEN).annotate(month=TruncMonth("started_at"))
    return {month.date(): count for month, count in rows.values_list("month").annotate(Count("pk")).order_by()}


def _sums() -> dict[date, dict[str, int]]:
    """Of current issued statements, by the month of their first day."""
    rows = (
        Statement.objects.issued()
        .current()
        .annotate(month=TruncMonth("period__start"))
        .values("month")
        .annotate(
            count=Count("pk"),
            bill=Sum("bill_with_cents"),
            node=Sum(F("bill_with_cents") - F("bill_without_cents")),
            we_pay=Sum("we_pay_cents"),
        )
        .order_by()
    )
    names = ("count", "bill", "node", "we_pay")
    return {row["month"]: {name: int(row[name]) for name in names} for row in rows}  # type: ignore[literal-required]


def _known_ratio(month: date, today: date) -> float | None:
    """The share of quarter-hours of the needed channels that are known; None where that is not counted here."""
    key = f"billing-known:{month}"
    found: dict[str, float | None] | None = cache.get(key)
    if found is None:
        found = {"ratio": _count_known(month, today)}
        cache.set(key, found, _REMEMBERED_SECONDS)
    return found["ratio"]


def _count_known(month: date, today: date) -> float | None:
    end = min(closing.month_end(month), today)
    homes = list(agreed_homes(month)[: SUMMED_HOMES + 1])
    if not homes or len(homes) > SUMMED_HOMES or end <= month:
        return None
    counts = [one for home in known(homes, month, end).values() for one in home.values()]
    expected = sum(one.expected for one in counts)
    return sum(one.measured + one.estimated for one in counts) / expected if expected else None


def agreed_homes(month: date) -> Any:
    """Homes with an agreement on any day of the month."""
    span = DateRange(month, closing.month_end(month))
    return Home.objects.filter(agreements__span__overlap=span).distinct().order_by("name", "pk")


def known(homes: Sequence[Home], start: date, end: date) -> dict[UUID, dict[Channel, Counts]]:
    """For each home how well its needed channels are known; one without any reading is missing as a whole."""
    found = completeness.by_month(homes, start, end)
    return {
        home.pk: {
            channel: found.get((home.pk, channel)) or Counts(_expected(home, start, end), 0, 0, 0) for channel in NEEDED
        }
        for home in homes
    }


def _expected(home: Home, start: date, end: date) -> int:
    return sum(quarter_count(home.timezone, on) for on in days_between(start, end))


@dataclass(frozen=True, slots=True)
class ItemRow:
    """A home's days in a close, or of a month that is not begun; `channel` is the one that is known worst."""

    home: Home
    start: date
    end: date
    channel: Channel
    counts: Counts
    item: CloseItem | None = None

    @property
    def last(self) -> date:
        return self.end - timedelta(days=1)


def item_rows(items: Sequence[CloseItem], month: date, today: date) -> list[ItemRow]:
    end = min(closing.month_end(month), today)
    worst = _worst([item.home for item in items], month, end)
    return [ItemRow(item.home, item.start, item.end, *worst[item.home_id], item) for item in items]


def home_rows(homes: Sequence[Home], month: date, today: date) -> list[ItemRow]:
    """Of a month whose close is not begun."""
    end = min(closing.month_end(month), today)
    worst = _worst(homes, month, end)
    return [ItemRow(home, month, closing.month_end(month), *worst[home.pk]) for home in homes]


def _worst(homes: Sequence[Home], start: date, end: date) -> dict[UUID, tuple[Channel, Counts]]:
    if end <= start:
        return {home.pk: (Channel.SITE_IMPORT, Counts(0, 0, 0, 0)) for home in homes}
    found = known(list({home.pk: home for home in homes}.values()), start, end)
    return {
        home_id: min(channels.items(), key=lambda pair: (pair[1].measured, pair[1].measured + pair[1].estimated))
        for home_id, channels in found.items()
    }
