"""Builders: a home with tariff, agreement and readings. Plain: March 2026, 30 days of April, one rate."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import numpy as np

from billing import agreements, closing, runs, statements, tariff_book
from billing.intervals.days import days_between, quarter_count
from billing.models import Agreement, Channel, Close, Reading, Source, Statement, Tariff
from billing.runs import Days, Held, Rated
from billing.settlement import FLAT_HOST_FEE, HOLD_HARMLESS, HOST, OPERATOR, Terms
from homes.models import Home

APRIL, MAY, JUNE = date(2026, 4, 1), date(2026, 5, 1), date(2026, 6, 1)
LONG_AGO: Final = date(2024, 1, 1)
HOLD: Final = Terms(HOST, OPERATOR, HOLD_HARMLESS, internet_cents=7_000)
FLAT: Final = Terms(
    OPERATOR,
    OPERATOR,
    FLAT_HOST_FEE,
    fee_cents=15_000,
    internet_cents=7_000,
    due_days=14,
    how_paid="By bank transfer.",
)


def document(rate: float = 0.12, fixed: float = 18.0, **more: Any) -> dict[str, Any]:
    """One rate round the clock and a fixed charge that is prorated by days."""
    schedule = [[0] * 24 for _ in range(12)]
    return {
        "name": "Plain",
        "utility": "Cast Energy",
        "energyratestructure": [[{"rate": rate, "unit": "kWh"}]],
        "energyweekdayschedule": schedule,
        "energyweekendschedule": schedule,
        "fixedchargefirstmeter": fixed,
        "fixedchargeunits": "$/month",
        "export_rule": "none",
        "proration": "days",
        **more,
    }


def tariff(name: str = "Plain", valid_from: date = LONG_AGO, **more: Any) -> Tariff:
    """A published line of one version."""
    version = tariff_book.add_version("Cast Energy", name, document(**more), valid_from)
    return tariff_book.publish(version).tariff


def settle_in(home: Home, terms: Terms = HOLD, start: date = LONG_AGO, line: Tariff | None = None) -> Agreement:
    """Tariff and agreement from `start`."""
    tariff_book.assign(home, line or tariff(f"Plain of {home.pk}"), start)
    return agreements.conclude(home, terms, start)


def read(
    home: Home,
    wh: Mapping[Channel, int],
    start: date = APRIL,
    end: date = MAY,
    letter: str = "m",
) -> None:
    """The same Wh in each quarter-hour of the days, as their next version."""
    for channel, each in wh.items():
        for on in days_between(start, end):
            write(home, channel, on, [each] * quarter_count(home.timezone, on), letter)


def write(home: Home, channel: Channel, on: date, wh: list[int], letters: str = "m") -> Reading:
    """One day as its next version; one letter stands for all quarter-hours."""
    before = Reading.objects.filter(home=home, on=on, channel=channel, source=Source.PANEL).count()
    qualities = letters if len(letters) > 1 else letters * len(wh)
    return Reading.objects.create(
        home=home, channel=channel, source=Source.PANEL, on=on, version=before + 1, wh=wh, qualities=qualities
    )


def usual(home: Home, start: date = APRIL, end: date = MAY) -> None:
    """2,880 quarter-hours in April: the site 400 Wh in each, the node 300 Wh of it."""
    read(home, {Channel.SITE_IMPORT: 400, Channel.NODE: 300}, start, end)


def spread(home: Home, channel: Channel, total_wh: int, start: date = APRIL, end: date = MAY) -> None:
    """So many Wh over the days, in whole numbers."""
    days = days_between(start, end)
    counts = [quarter_count(home.timezone, on) for on in days]
    edges = np.linspace(0, total_wh, sum(counts) + 1).round().astype(int)
    wh, at = np.diff(edges), 0
    for on, count in zip(days, counts, strict=True):
        write(home, channel, on, [int(number) for number in wh[at : at + count]])
        at += count


def rated(home: Home, start: date = APRIL, end: date = MAY) -> Rated:
    (found,) = runs.rate_many([Days(home, start, end)])
    assert isinstance(found, Rated), found.problem
    return found


def held(home: Home, start: date = APRIL, end: date = MAY) -> Held:
    (found,) = runs.rate_many([Days(home, start, end)])
    assert isinstance(found, Held)
    return found


def draft(home: Home, start: date = APRIL, end: date = MAY) -> Statement:
    result = rated(home, start, end)
    (kept,) = runs.store([result])
    assert not isinstance(kept, Held)
    (agreement,) = agreements.in_force([home.pk], start, end)[home.pk]
    (pk,) = statements.insert_drafts([(*kept, result, agreement)])
    return Statement.objects.get(pk=pk)


def issue(home: Home, start: date = APRIL, end: date = MAY) -> Statement:
    (issued,) = statements.issue_many([draft(home, start, end).pk])
    return issued


def close(month: date = APRIL) -> Close:
    """The whole month, issued."""
    begun = closing.begin(month)
    closing.run(begun, issues=True)
    return begun
