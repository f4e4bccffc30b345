"""The demo's money: tariffs as published, invented agreements, readings from before telemetry began, and statements.

The bills are real arithmetic over invented use. The last of the homes with a log-in has no agreement, so that there is
something for the desk to do, and a page to see what a new host sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from billing import agreements, closing, corrections, meter_feed, payouts, statements, tariff_book, utility_files
from billing.bulk_readings import DayOfWh, write_days
from billing.corrections import CannotRevise
from billing.intervals.days import day_edges, days_between, quarter_count
from billing.models import Channel, Source, Statement, Tariff
from billing.readings import usage_of_many
from billing.settlement import CREDIT_PER_KWH, FLAT_HOST_FEE, HOLD_HARMLESS, HOST, OPERATOR, Item, Terms
from billing.tariffs.seeds import seed_document
from homes.calendar import midnight
from homes.models import Home
from xfra_portal.demo import Seeded

MOST_HOMES: Final = 24
WITHOUT_AGREEMENT: Final = 3
"""Place of the home that has none."""
_LINES: Final = {
    "NV Energy": ("nevada-power-ors-tou", "nevada-power-rs"),
    "Salt River Project": ("srp-e-26-tou",),
    "Arizona Public Service": ("aps-r-tou-e",),
}
_INTERNET_CENTS: Final = 8_500
_TERMS: Final = (
    Terms(OPERATOR, OPERATOR, FLAT_HOST_FEE, fee_cents=15_000, internet_cents=_INTERNET_CENTS),
    Terms(HOST, OPERATOR, HOLD_HARMLESS, internet_cents=_INTERNET_CENTS, items=(Item("Site rent", 4_000, HOST),)),
    Terms(HOST, HOST, CREDIT_PER_KWH, credit_per_kwh=Decimal("0.15"), internet_cents=_INTERNET_CENTS),
)
_FEED_SECONDS: Final = 90.0


def seed_money(seeded: Seeded, days: float, seed: int) -> Iterator[str]:
    """Two months that are closed and the one that is going on. Says what is done, step by step."""
    now = datetime.now(UTC)
    homes = [node.home for node in seeded.nodes[:MOST_HOMES]]
    months = _months(now)
    lines = _publish(months[0])
    for place, home in enumerate(homes):
        _settle_in(place, home, lines, months[0])
    yield f"{len(homes)} homes have tariffs"
    written = write_days(_days(homes, months[0], now - timedelta(days=days), seed))
    yield f"{written} days of readings from before telemetry began"
    yield f"{meter_feed.follow(_FEED_SECONDS)} days read from telemetry"
    for month in months[:-1]:
        yield str(_close(month))
    _correct(homes[0])
    payouts.create_due()


def _months(now: datetime) -> list[date]:
    """First days of the month before last, of last month, and of the one that every home lives in."""
    this = (now - timedelta(hours=12)).date().replace(day=1)
    last = (this - timedelta(days=1)).replace(day=1)
    return [(last - timedelta(days=1)).replace(day=1), last, this]


def _publish(first: date) -> dict[str, Tariff]:
    """In force from the first month on, whatever day they are really of."""
    found = {}
    for name in sorted({name for names in _LINES.values() for name in names}):
        document = seed_document(name)
        version = tariff_book.add_version(document["utility"], document["name"], document, first, label=name)
        found[name] = tariff_book.publish(version).tariff
    return found


def _settle_in(place: int, home: Home, lines: dict[str, Tariff], first: date) -> None:
    Home.objects.filter(pk=home.pk).update(created_at=midnight(home.zone, first))
    names = _LINES[home.utility]
    tariff_book.assign(home, lines[names[place // 2 % len(names)]], first)
    if place != WITHOUT_AGREEMENT:
        agreements.conclude(home, _TERMS[place % len(_TERMS)], first)


def _days(homes: list[Home], first: date, telemetry_from: datetime, seed: int) -> Iterator[DayOfWh]:
    """Up to the day on which telemetry begins, which it overwrites from there on."""
    for place, home in enumerate(homes):
        random = np.random.default_rng([seed, place])
        usual = 2_450 + int(random.integers(0, 250))
        until = telemetry_from.astimezone(home.zone).date() + timedelta(days=1)
        for on in days_between(first, until):
            node, alone = _day(home, on, usual, random)
            for channel, wh in (
                (Channel.NODE, node),
                (Channel.SITE_IMPORT, node + alone),
                (Channel.SITE_EXPORT, np.zeros_like(node)),
            ):
                yield DayOfWh(home.pk, channel, Source.PANEL, on, wh)


def _day(home: Home, on: date, usual: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The node's and the home's own Wh: the hotter the season, the more the home and the less the node."""
    starts = day_edges(home.timezone, on)[:-1]
    hours = np.array([datetime.fromtimestamp(int(each), home.zone).hour for each in starts])
    size = quarter_count(home.timezone, on)
    heat = max(0.0, 1.0 - abs(on.timetuple().tm_yday - 205) / 120)
    node = usual * (1 - 0.06 * heat * ((hours > 12) & (hours < 19))) * random.normal(1.0, 0.02, size)
    evening = np.exp(-(((hours - 19) / 3.0) ** 2)) + 0.5 * np.exp(-(((hours - 7) / 1.5) ** 2))
    alone = (70 + 260 * evening + 420 * heat * (hours > 10)) * random.gamma(6.0, 1 / 6.0, size)
    return np.rint(node).astype(np.int64), np.rint(alone).astype(np.int64)


def _close(month: date) -> closing.Progress:
    return closing.run(closing.begin(month), issues=True)


def _correct(home: Home) -> None:
    """The utility's file of three days says a little less than the panel, after the first statement was issued."""
    statement = Statement.objects.issued().filter(home=home).order_by("number").first()
    if statement is None:
        return
    start = statement.period.start + timedelta(days=10)
    utility_files.import_file(home, _file(home, start, start + timedelta(days=3)), "invented-utility.csv")
    try:
        draft = corrections.revise(statement, "your utility's own count of three days, which came later")
    except CannotRevise:
        return
    if draft is not None:
        statements.issue_many([draft.pk])


def _file(home: Home, start: date, end: date) -> bytes:
    (usage,) = usage_of_many([home], start, end, [Channel.SITE_IMPORT], [Source.PANEL])
    wh = usage.wh_of(Channel.SITE_IMPORT) * 993 // 1000
    starts = np.concatenate([day_edges(home.timezone, on)[:-1] for on in days_between(start, end)])
    rows = [f"{_iso(int(at))},{_iso(int(at) + 900)},{int(each)}" for at, each in zip(starts, wh, strict=True)]
    return "\n".join(["start,end,usage (Wh)", *rows, ""]).encode()


def _iso(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()
