"""A tariff document: OpenEI's URDB, version 8, with the fields of ours that say what the standard leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Final

from billing.documents.verifier.clock import Quarter, holidays_of
from billing.documents.verifier.exact import number

Tiers = list[tuple[Fraction | None, Fraction]]
"""(upper bound, rate) of each; the last has no bound."""

DG_RULES: Final = {
    "Net Metering": ("net_metering", "interval"),
    "Net Billing Instantaneous": ("net_billing", "interval"),
    "Net Billing Hourly": ("net_billing", "hourly"),
    "Buy All Sell All": ("buy_all_sell_all", "interval"),
}
OTHER_SPELLINGS: Final = ("lookbackPercent", "lookbackMonths", "lookbackRange")


@dataclass(frozen=True)
class Charge:
    """So many dollars a day, month or year."""

    amount: Fraction
    unit: str


class Tariff:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = {name.lower() if name in OTHER_SPELLINGS else name: each for name, each in document.items()}

    def get(self, name: str) -> Any:
        return self.document.get(name)

    def tiers(self, structure: str, period: int) -> Tiers:
        entries = self.document[structure][period]
        found: Tiers = []
        for entry in entries:
            bound = None if entry.get("max") is None else number(entry["max"])
            found.append((bound, number(entry.get("rate") or 0) + number(entry.get("adj") or 0)))
        return found

    @cached_property
    def energy(self) -> list[Tiers]:
        return [self.tiers("energyratestructure", period) for period in range(len(self.get("energyratestructure")))]

    def energy_unit(self, period: int) -> str:
        """What the tiers' bounds count: kWh, "kWh daily", "kWh/kW" or "kWh/kW daily"."""
        return str(self.document["energyratestructure"][period][0].get("unit", "kWh"))

    def sells_at(self, period: int) -> Fraction:
        """What a kWh that is exported in this period earns."""
        if self.export_rule == "none":
            return Fraction(0)
        given = [
            entry["sell"] for entry in self.document["energyratestructure"][period] if entry.get("sell") is not None
        ]
        return number(given[0] if given else self.get("export_rate") or 0)

    def period_at(self, kind: str, quarter: Quarter) -> int:
        """The time-of-use period of `kind`, "energy" or "demand", in a quarter-hour; holidays are as weekends."""
        is_weekend = quarter.on.weekday() >= 5 or quarter.on in self.holidays(quarter.on.year)
        table = self.document[f"{kind}week{'end' if is_weekend else 'day'}schedule"]
        return int(table[quarter.on.month - 1][quarter.hour])

    def holidays(self, year: int) -> set[Any]:
        if year not in self._holidays:
            self._holidays[year] = holidays_of(self.get("holidays"), [year - 1, year, year + 1])
        return self._holidays[year]

    @cached_property
    def _holidays(self) -> dict[int, set[Any]]:
        return {}

    def periods_of_month(self, month: int) -> set[int]:
        """The energy periods that a calendar month can have."""
        rows = (self.get("energyweekdayschedule")[month - 1], self.get("energyweekendschedule")[month - 1])
        return {int(period) for row in rows for period in row}

    @cached_property
    def has_tiers(self) -> bool:
        return any(len(tiers) > 1 for tiers in self.energy)

    @cached_property
    def tier_basis(self) -> str:
        """How the kWh of several periods fill the tiers: proportional, chronological, or per_period."""
        return str(self.get("tier_basis")) if self.has_tiers else "per_period"

    def fills(self, month: int) -> Any:
        """Months of which this is equal fill the same tiers; where it changes, tiers begin anew."""
        if not self.has_tiers:
            return None
        periods = self.periods_of_month(month)
        if self.tier_basis == "per_period":
            return periods
        first = min(periods)
        return self.energy_unit(first), [bound for bound, _ in self.energy[first]]

    @cached_property
    def export_rule(self) -> str:
        return str(self.get("export_rule") or DG_RULES.get(self.get("dgrules"), ("none", ""))[0])

    @cached_property
    def nets_hourly(self) -> bool:
        if self.get("export_rule"):
            return bool(self.get("export_netting") == "hourly")
        return DG_RULES.get(self.get("dgrules"), ("", ""))[1] == "hourly"

    def is_divided(self, what: str) -> bool:
        """Whether a part of a cycle has its days' part of fixed, tiers, demand or minimum; or all or nothing."""
        stated = self.get("proration") or "days"
        word: str = stated if isinstance(stated, str) else stated.get(what) or "days"
        return word == "days"

    @cached_property
    def fixed(self) -> Charge | None:
        return self._charge("fixedchargefirstmeter", "fixedchargeunits")

    @cached_property
    def minimum(self) -> Charge | None:
        if self.get("minmonthlycharge"):
            return Charge(number(self.get("minmonthlycharge")), "$/month")
        charge = self._charge("mincharge", "minchargeunits")
        return charge if charge is not None and charge.unit != "$/year" else None

    @cached_property
    def annual_minimum(self) -> Fraction | None:
        if self.get("annualmincharge"):
            return number(self.get("annualmincharge"))
        charge = self._charge("mincharge", "minchargeunits")
        return charge.amount if charge is not None and charge.unit == "$/year" else None

    def _charge(self, name: str, unit_name: str) -> Charge | None:
        amount = self.get(name)
        return Charge(number(amount), str(self.get(unit_name))) if amount else None

    @cached_property
    def demand_quarters(self) -> int:
        """Over how many quarter-hours a demand is averaged; 0 where the tariff asks for none."""
        asks = self.get("flatdemandstructure") or self.get("demandratestructure")
        asks = asks or any("/kW" in self.energy_unit(period) for period in range(len(self.energy)))
        return int(self.get("demandwindow")) // 15 if asks else 0

    @cached_property
    def demand_slides(self) -> bool:
        return bool(self.get("demand_window") == "sliding")

    def fuel(self, month: int) -> Fraction:
        """$/kWh of the fuel adjustment in a calendar month."""
        table = self.get("fueladjustmentsmonthly")
        return number(table[month - 1]) if table else Fraction(0)

    def ratchet(self, month: int) -> Fraction:
        """The share of earlier demand below which that of a calendar month is not billed."""
        if self.get("lookbackpercent"):
            return number(self.get("lookbackpercent"))
        table = self.get("demandratchetpercentage")
        return number(table[month - 1]) if table else Fraction(0)

    def looks_back_upon(self, year: int, month: int) -> list[str]:
        """Earlier months, as 2026-01, whose demand the ratchet remembers: the last so many, or of twelve some."""
        found = []
        for back in range(1, int(self.get("lookbackrange") or 11) + 1):
            past_year, past_month = divmod(year * 12 + month - 1 - back, 12)
            if self.get("lookbackrange") or self.get("lookbackmonths")[past_month]:
                found.append(f"{past_year:04}-{past_month + 1:02}")
        return found
