"""Statements of every kind that the portal issues, as bundles, and the verifier as a stranger runs it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np

from billing import corrections, statements
from billing.documents import program
from billing.documents.bundle import bundle
from billing.intervals.days import days_between, quarter_count
from billing.models import Channel, Statement
from billing.settlement import CREDIT_PER_KWH, HOST, OPERATOR, Item, Terms
from homes.models import Home
from tests.billing import months
from tests.billing.months import APRIL, FLAT, HOLD, JUNE, MAY
from tests.cast import Cast

CREDIT: Final = Terms(
    HOST,
    HOST,
    CREDIT_PER_KWH,
    credit_per_kwh=Decimal("0.055"),
    internet_cents=6_000,
    items=(Item("Space on the wall", 1_000, HOST), Item("Battery", 250, OPERATOR)),
)
NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)


def by_hour(early: int, peak: int) -> list[list[int]]:
    return [[early] * 16 + [peak] * 5 + [early] * 3 for _ in range(12)]


RICH: Final[Mapping[str, Any]] = {
    "energyratestructure": [
        [{"rate": 0.1213, "max": 400}, {"rate": 0.1789, "adj": 0.002}],
        [{"rate": 0.2817, "max": 400}, {"rate": 0.3391, "adj": 0.002}],
    ],
    "energyweekdayschedule": by_hour(0, 1),
    "energyweekendschedule": by_hour(0, 0),
    "tier_basis": "proportional",
    "rounding": "total",
    "holidays": {"treated_as": "weekend", "days": ["veterans_day", "thanksgiving"], "observed": "nearest_weekday"},
    "flatdemandstructure": [[{"rate": 4.25}]],
    "flatdemandmonths": [0] * 12,
    "demandwindow": 30,
    "demand_window": "sliding",
    "demandratchetpercentage": [0.8] * 12,
    "lookbackrange": 11,
    "mincharge": 10.0,
    "minchargeunits": "$/month",
    "fueladjustmentsmonthly": [0.0031] * 12,
    "riders": [{"name": "Grid rider", "per_kwh": 0.00417}],
    "taxes": [{"name": "City tax", "rate": 0.0625, "on": ["energy", "demand_flat", "fixed", "rider"]}],
    "credits": [{"name": "Climate credit", "per_month": 12.5, "months": [4, 10, 11]}],
    "export_rule": "net_billing",
    "export_rate": 0.05,
}
"""Everything at once: two periods and tiers, demand with a ratchet, a minimum, riders, taxes, credits, exports."""


def noisy(home: Home, start: date, end: date, *, with_solar: bool = False, letters: str = "m") -> None:
    """A household's month: no two quarter-hours alike."""
    noise = np.random.default_rng(start.toordinal())
    for on in days_between(start, end):
        count = quarter_count(home.timezone, on)
        node = noise.integers(1_500, 3_100, count)
        net = node + noise.integers(100, 1_500, count) - (noise.integers(0, 5_000, count) if with_solar else 0)
        months.write(home, Channel.SITE_IMPORT, on, [int(wh) for wh in np.maximum(net, 0)], letters)
        months.write(home, Channel.NODE, on, [int(wh) for wh in node])
        if with_solar:
            months.write(home, Channel.SITE_EXPORT, on, [int(wh) for wh in np.maximum(-net, 0)])
            months.write(home, Channel.SOLAR, on, [5] * count)


def hold_harmless(cast: Cast) -> Statement:
    months.settle_in(cast.home, HOLD)
    months.usual(cast.home)
    return months.issue(cast.home)


def flat_fee_of_a_part_month(cast: Cast) -> Statement:
    months.settle_in(cast.home, FLAT, date(2026, 4, 9))
    months.usual(cast.home)
    return months.issue(cast.home, date(2026, 4, 9), MAY)


def credit_per_kwh(cast: Cast) -> Statement:
    months.settle_in(cast.home, CREDIT)
    noisy(cast.home, APRIL, MAY, letters="e")
    return months.issue(cast.home)


def rich_november_with_solar(cast: Cast) -> Statement:
    """New York: the clock goes back, Veterans Day and Thanksgiving are holidays; October's demand is remembered."""
    home = cast.other_home
    months.settle_in(home, HOLD, line=months.tariff("Rich", **RICH))
    noisy(home, date(2026, 10, 1), NOVEMBER)
    months.issue(home, date(2026, 10, 1), NOVEMBER)
    noisy(home, NOVEMBER, DECEMBER, with_solar=True)
    return months.issue(home, NOVEMBER, DECEMBER)


def tariff_change_within_march(cast: Cast) -> Statement:
    """New York again, where March has a day of 92 quarter-hours."""
    home = cast.other_home
    line = months.tariff("Changing", **RICH)
    months.settle_in(home, FLAT, line=line)
    months.tariff("Changing", date(2026, 3, 15), **{**RICH, "rounding": "line", "demand_window": "fixed"})
    noisy(home, date(2026, 3, 1), APRIL)
    return months.issue(home, date(2026, 3, 1), APRIL)


def carried_surplus(cast: Cast) -> Statement:
    """Net metering: May spends what April left over."""
    netting = {"export_rule": "net_metering", "export_surplus": "carry", "fixedchargefirstmeter": 9.0}
    months.settle_in(cast.home, HOLD, line=months.tariff("Netting", **netting))
    months.read(cast.home, {Channel.SITE_IMPORT: 100, Channel.SITE_EXPORT: 350, Channel.NODE: 90})
    months.issue(cast.home)
    months.read(cast.home, {Channel.SITE_IMPORT: 300, Channel.NODE: 200}, MAY, JUNE)
    return months.issue(cast.home, MAY, JUNE)


def revision(cast: Cast) -> Statement:
    statement = hold_harmless(cast)
    months.write(cast.home, Channel.SITE_IMPORT, date(2026, 4, 7), [450] * 96)
    revised = corrections.revise(statement, "the panel reported a day late")
    assert revised is not None
    (issued,) = statements.issue_many([revised.pk])
    return issued


def idle_month(cast: Cast) -> Statement:
    """The node was off, nothing is owed, nothing is posted but internet."""
    months.settle_in(cast.home, Terms(HOST, HOST, "hold_harmless"))
    months.read(cast.home, {Channel.SITE_IMPORT: 100, Channel.NODE: 0})
    return months.issue(cast.home)


KINDS: Final[Mapping[str, Callable[[Cast], Statement]]] = {
    kind.__name__: kind
    for kind in (
        hold_harmless,
        flat_fee_of_a_part_month,
        credit_per_kwh,
        rich_november_with_solar,
        tariff_change_within_march,
        carried_surplus,
        revision,
        idle_month,
    )
}


@dataclass(frozen=True)
class Verdict:
    code: int
    said: str


@dataclass(frozen=True)
class Unpacked:
    """A bundle in a folder of its own."""

    folder: Path

    def read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())

    def write(self, name: str, value: Any) -> None:
        """In the form in which the bundle has it: what is hashed without spaces."""
        is_hashed = name.endswith("statement.json") or name.startswith("tariffs/")
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":") if is_hashed else None)
        (self.folder / name).write_text(text)

    @property
    def tariff(self) -> str:
        return f"tariffs/{self.read('statement.json')['run']['tariffs'][0]['sha256']}.json"

    def verify(self, *arguments: str) -> Verdict:
        return run_verifier(self.folder / "verify_statement.py", *arguments)


def unpack(body: bytes, folder: Path) -> Unpacked:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        archive.extractall(folder)
    return Unpacked(folder)


def unpacked(statement: Statement, folder: Path) -> Unpacked:
    return unpack(bundle(statement), folder)


def run_verifier(script: Path, *arguments: str) -> Verdict:
    """Isolated: no site packages are looked for but Python's own, no module beside the script."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(script), *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    return Verdict(done.returncode, done.stdout + done.stderr)


def write_program(folder: Path) -> Path:
    script = folder / "verify_statement.py"
    script.write_text(program.source())
    return script
