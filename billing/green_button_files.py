"""A home's quarter-hours as Green Button files: of an issued statement, or of any days.

That of a statement holds the readings that it was rated from, so that its sums are the statement's to the watt-hour.
The site is one usage point, the node behind it another.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from billing import used_readings
from billing.greenbutton.export import Export, Line, Meter, Summary, render
from billing.greenbutton.vocabulary import Flow, ItemKind
from billing.models import Channel, Statement
from billing.models.statements import Section
from billing.rating.period import Ints
from billing.readings import Letters, usage_of_many
from homes.models import Home

LONGEST_DAYS: Final = 100
"""Of one file; a year of quarter-hours of three meters is 100,000 readings."""
_PER_CENT: Final = 1000
"""A cent in hundred-thousandths of a dollar."""
_METERS: Final = (
    (Channel.SITE_IMPORT, "site", "From the grid", Flow.DELIVERED),
    (Channel.SITE_EXPORT, "site", "To the grid", Flow.RECEIVED),
    (Channel.NODE, "node", "The XFRA node", Flow.DELIVERED),
)


class NothingRead(LookupError):
    """There is no reading of the home on these days."""


def of_statement(statement: Statement) -> bytes:
    """Its home, period, run and lines are fetched with it."""
    found = used_readings.used(statement.run)
    period = statement.period
    meters = _meters(found.wh, found.quality)
    made_at = statement.issued_at or statement.created_at
    return _file(statement.home, period.start, period.end, made_at, meters, _summary(statement))


def of_days(home: Home, start: date, end: date, made_at: datetime) -> bytes:
    """Local days [start, end) by what is known now. Raises NothingRead."""
    (found,) = usage_of_many([home], start, end, channels=[channel for channel, *_ in _METERS])
    meters = _meters(found.wh, found.quality)
    if not meters:
        raise NothingRead(f"nothing is read from {start} to {end}")
    return _file(home, start, end, made_at, meters, None)


def _meters(wh: Mapping[Any, Ints], quality: Mapping[Any, Letters]) -> list[Meter]:
    """By channel or its name, which are equal as keys."""
    return [
        Meter(point, title, flow, wh[channel], quality[channel])
        for channel, point, title, flow in _METERS
        if channel in wh
    ]


def _summary(statement: Statement) -> Summary:
    """The utility's bill, and below it what the node cost and who paid: the subsidy."""
    lines = [
        Line(statement.node_cents * _PER_CENT, "Of it the XFRA node", ItemKind.INFORMATION),
        Line(-statement.we_pay_cents * _PER_CENT, "Paid by the operator, internet included", ItemKind.PAYMENT),
        Line(statement.you_pay_cents * _PER_CENT, "Paid by the household", ItemKind.INFORMATION),
        Line(-statement.saved_cents * _PER_CENT, "Saved by the household", ItemKind.INFORMATION),
    ]
    settled = [line for line in statement.lines.all() if line.section == Section.SETTLEMENT and line.amount_cents]
    lines += [Line(line.amount_cents * _PER_CENT, line.label, ItemKind.ADMINISTRATIVE_FEE) for line in settled]
    return Summary(statement.bill_with_cents * _PER_CENT, lines)


def _file(home: Home, start: date, end: date, made_at: datetime, meters: list[Meter], summary: Summary | None) -> bytes:
    return render(Export(str(home.pk), home.name, home.timezone, start, end, made_at, meters, summary))
