"""A home that has been billed: two statements, and this month's days so far."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from billing import closing
from billing.models import Channel, Statement
from homes.access import acting_as_system
from homes.models import Home
from tests.billing.months import FLAT, HOLD, issue, read, settle_in, tariff

EVENING = [1 if 14 <= hour < 20 else 0 for hour in range(24)]


def today(home: Home) -> date:
    return datetime.now(home.zone).date()


def months(home: Home) -> list[date]:
    """The first day of the month before last, of last month, and of this one."""
    this = today(home).replace(day=1)
    last = (this - timedelta(days=1)).replace(day=1)
    return [(last - timedelta(days=1)).replace(day=1), last, this]


def begun(home: Home) -> date:
    """The close of last month, begun: its statement was issued before, which holds it."""
    with acting_as_system():
        month = months(home)[1]
        closing.run(closing.begin(month))
        return month


def billed(home: Home, *, is_flat: bool = False) -> list[Statement]:
    """Statements of the last two months, evenings dearer, the second month's node busier."""
    with acting_as_system():
        line = tariff(
            energyratestructure=[[{"rate": 0.1, "max": 500, "unit": "kWh"}, {"rate": 0.12}], [{"rate": 0.3}]],
            energyweekdayschedule=[EVENING] * 12,
            energyweekendschedule=[[0] * 24] * 12,
            tier_basis="per_period",
            holidays={"treated_as": "weekday"},
            name=f"Evening of {home.pk}",
        )
        settle_in(home, FLAT if is_flat else HOLD, line=line)
        first, second, third = months(home)
        read(home, {Channel.SITE_IMPORT: 400, Channel.NODE: 300}, first, second)
        read(home, {Channel.SITE_IMPORT: 500, Channel.NODE: 380}, second, third)
        read(home, {Channel.SITE_IMPORT: 450, Channel.NODE: 350}, third, today(home))
        return [issue(home, first, second), issue(home, second, third)]
