"""The demo's tariffs, agreements and closed months. Everything here is invented, but the tariffs' published rates."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

from billing import (
    agreements,
    closing,
    desk_log,
    ledger,
    meter_feed,
    payout_provider,
    payouts,
    reconciliation,
    self_checks,
    tariff_book,
)
from billing.models import DueDay, Statement, Tariff, UtilityBill
from billing.settlement import CREDIT_PER_KWH, FLAT_HOST_FEE, HOLD_HARMLESS, HOST, OPERATOR, Item, Terms
from homes.models import Home

SEED: Final = Path(__file__).resolve().parent / "seed" / "tariffs"
_LINES: Final = {
    "NV Energy": ("nevada-power-rs", "nevada-power-ors-tou"),
    "Salt River Project": ("srp-e-26-tou",),
    "Arizona Public Service": ("aps-r-tou-e",),
}
_ELSEWHERE: Final = ("nevada-power-rs",)
_LONG_AGO: Final = date(2020, 1, 1)
_WALL: Final = Item("Simulated rent for the wall that the node hangs on", 1_500, HOST)

_PAID: Final = "By bank transfer with the number of the statement. (Simulated: no money moves.)"
FLAT: Final = Terms(
    OPERATOR, OPERATOR, FLAT_HOST_FEE, fee_cents=15_000, internet_cents=7_000, due_days=14, how_paid=_PAID
)
HOLD: Final = Terms(HOST, OPERATOR, HOLD_HARMLESS, internet_cents=7_000, due_days=14, how_paid=_PAID)
CREDIT: Final = Terms(
    HOST,
    OPERATOR,
    CREDIT_PER_KWH,
    credit_per_kwh=Decimal("0.17"),
    internet_cents=7_000,
    items=(_WALL,),
    due_days=14,
    how_paid=_PAID,
)


def seed(homes: Sequence[Home], now: datetime | None = None) -> Iterator[str]:
    """What `_seed` does, in the desk's log as the demo's simulated past."""
    with desk_log.by_way(desk_log.Way.DEMO):
        yield from _seed(homes, now)


def _seed(homes: Sequence[Home], now: datetime | None) -> Iterator[str]:
    """Tariffs and agreements for simulated homes, then every month that is over since they began. Yields what was done.

    The first home pays a flat fee, the others are held harmless or credited. Agreements begin on the first whole day
    of the homes' history, so that the first statement is of a part of a month, prorated.
    """
    at = now or datetime.now(UTC)
    lines = _publish()
    for number, home in enumerate(homes):
        start = home.created_at.astimezone(home.zone).date() + timedelta(days=1)
        names = _LINES.get(home.utility, _ELSEWHERE)
        tariff_book.assign(home, lines[names[number % len(names)]], start)
        agreements.conclude(home, FLAT if number == 0 else (HOLD, CREDIT)[number % 2], start)
    desk_log.record("seeded", f"Simulated: {len(lines)} tariffs published, {len(homes)} agreements concluded.")
    yield f"{len(lines)} tariffs and {len(homes)} agreements"
    _read(at)
    for month in _months(homes, at):
        close = closing.begin(month, now=at)
        desk_log.record("close_begun", f"Simulated: {month:%B %Y} is being closed.", subject=f"{month:%Y-%m}")
        yield str(closing.run(close, issues=True))
    if homes:
        _settle(homes[0], homes)
    self_checks.check_and_keep()


def _publish() -> dict[str, Tariff]:
    """The seed's tariffs by file name. Published with rates of today for all of the simulated past."""
    found = {}
    for file in sorted(SEED.glob("*.json")):
        document = json.loads(file.read_text(encoding="utf-8"))
        note = f"OpenEI URDB {document['label']}, in force from {document['startdate']}"
        version = tariff_book.add_version(
            document["utility"], document["name"][:120], document, _LONG_AGO, label=document["label"], note=note
        )
        found[file.stem] = tariff_book.publish(version).tariff
    return found


def _read(at: datetime) -> None:
    """Readings of every day that is over."""
    while meter_feed.follow(seconds=600, now=at) and DueDay.objects.filter(ended_at__lt=at - meter_feed.GRACE).exists():
        pass


def _months(homes: Sequence[Home], at: datetime) -> list[date]:
    """Calendar months with days of any home that are over in every home's zone."""
    if not homes:
        return []
    first = min(home.created_at.astimezone(home.zone).date() + timedelta(days=1) for home in homes).replace(day=1)
    today = min(at.astimezone(home.zone).date() for home in homes)
    found = []
    while closing.month_end(first) <= today:
        found.append(first)
        first = closing.month_end(first)
    return found


def _settle(first: Home, homes: Sequence[Home]) -> None:
    """The first host pays the fee, the utility's bill comes, the others are paid by the simulated provider."""
    statement = Statement.objects.issued().current().filter(home=first).order_by("-period__start").first()
    if statement is not None:
        if statement.total_cents > 0:
            ledger.receive(first.pk, statement.total_cents, f"simulated-receipt:{statement.number}")
            words = (
                f"Simulated: the host paid {agreements.money(statement.total_cents)} of statement {statement.number}."
            )
            desk_log.record("received", words, home=first, subject=str(statement.number))
        bill = UtilityBill.objects.create(
            home=first,
            number=f"SIMULATED-{statement.number}",
            start=statement.period.start,
            end=statement.period.end,
            import_wh=statement.run.site_import_wh,
            cents=statement.bill_with_cents,
        )
        reconciliation.reconcile(bill)
        reconciliation.pay(bill)
        words = f"Simulated: the utility's bill {bill.number} was entered, compared and paid."
        desk_log.record("bill_paid", words, home=first, subject=bill.number)
    if made := payouts.create_due([home.pk for home in homes]):
        desk_log.record("payouts_created", f"Simulated: {len(made)} payouts created of what was due.")
        provider = payout_provider.SimulatedProvider()
        for _ in range(3):
            payouts.pursue(provider)
