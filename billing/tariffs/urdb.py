"""The standard's part of a document: OpenEI's Utility Rate Database, version 8, field names as there.

https://openei.org/services/doc/rest/util_rates/?version=8
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from billing.tariffs.document import (
    Charge,
    ChargeUnit,
    Demand,
    EnergyPeriod,
    ExportRule,
    Netting,
    Ratchet,
    Schedule,
    Tier,
    TierUnit,
)
from billing.tariffs.fields import Fields, shown

ZERO: Final = Decimal(0)
MOST_PERIODS: Final = 36
MOST_TIERS: Final = 12
MONTHS_BACK_AT_MOST: Final = 24

DG_RULES: Final[dict[str, tuple[ExportRule, Netting]]] = {
    "Net Metering": (ExportRule.NET_METERING, Netting.INTERVAL),
    "Net Billing Instantaneous": (ExportRule.NET_BILLING, Netting.INTERVAL),
    "Net Billing Hourly": (ExportRule.NET_BILLING, Netting.HOURLY),
    "Buy All Sell All": (ExportRule.BUY_ALL_SELL_ALL, Netting.INTERVAL),
}

ONE_PERIOD: Final = Schedule(((0,) * 24,) * 12, ((0,) * 24,) * 12)


def energy_periods(fields: Fields, sell_default: Decimal | None) -> tuple[EnergyPeriod, ...]:
    name = "energyratestructure"
    periods = [
        _energy_period(fields, f"{name}[{index}]", period, sell_default)
        for index, period in enumerate(_structure(fields, name))
    ]
    if not periods:
        fields.refuse(name, "missing", "Give at least one period with one tier and its rate.")
        periods = [EnergyPeriod((Tier(None, ZERO),), TierUnit.KWH, sell_default)]
    return tuple(periods)


def schedule(fields: Fields, prefix: str, period_count: int) -> Schedule:
    """`<prefix>weekdayschedule` and `<prefix>weekendschedule`, 12 x 24 each."""
    weekday, weekend = (_hours(fields, f"{prefix}{kind}schedule", period_count) for kind in ("weekday", "weekend"))
    return Schedule(weekday, weekend)


def _hours(fields: Fields, name: str, period_count: int) -> tuple[tuple[int, ...], ...]:
    rows = fields.document.get(name)
    if not isinstance(rows, list) or len(rows) != 12 or any(not isinstance(r, list) or len(r) != 24 for r in rows):
        fields.refuse(name, "not 12 months of 24 hours", "Give a row for each month, with a period for each hour.")
        return ONE_PERIOD.weekday
    return tuple(
        tuple(_period_number(fields, f"{name}[{m}][{h}]", value, period_count) for h, value in enumerate(row))
        for m, row in enumerate(rows)
    )


def _period_number(fields: Fields, name: str, value: object, period_count: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < period_count:
        return value
    fields.refuse(name, f"there is no period {shown(value)}", f"Name a period from 0 to {period_count - 1}.")
    return 0


def _structure(fields: Fields, name: str) -> list[list[Mapping[str, Any]]]:
    periods = fields.document.get(name)
    if periods is None:
        return []
    if (
        not isinstance(periods, list)
        or len(periods) > MOST_PERIODS
        or not all(
            isinstance(period, list)
            and 0 < len(period) <= MOST_TIERS
            and all(isinstance(tier, Mapping) for tier in period)
            for period in periods
        )
    ):
        fields.refuse(
            name,
            "not a list of periods, each with a list of tiers",
            f'Write [[{{"rate": 0.12}}]]: at most {MOST_PERIODS} periods of 1 to {MOST_TIERS} tiers.',
        )
        return []
    return periods


def _tiers(fields: Fields, name: str, period: list[Mapping[str, Any]], known: set[str]) -> tuple[Tier, ...]:
    tiers: list[Tier] = []
    below = ZERO
    for index, entry in enumerate(period):
        place = f"{name}[{index}]"
        for key in sorted(set(entry) - known):
            fields.refuse(f"{place}.{key}", "not a field of a tier here", "Remove it, or correct its name.")
        if entry.get("rate") is None:
            fields.refuse(f"{place}.rate", "missing", "Give the rate; write 0 where it costs nothing.")
        rate = fields.number(f"{place}.rate", entry.get("rate") or 0)
        rate += fields.number(f"{place}.adj", entry.get("adj") or 0)
        upper = _upper(fields, place, entry.get("max"), below, is_last=index == len(period) - 1)
        below = upper if upper is not None else below
        tiers.append(Tier(upper, rate))
    return tuple(tiers)


def _upper(fields: Fields, place: str, value: object, below: Decimal, *, is_last: bool) -> Decimal | None:
    if is_last:
        if value is not None:
            fields.refuse(f"{place}.max", "the last tier has a bound", "Remove it, or add a tier for what is above.")
        return None
    if value is None:
        fields.refuse(f"{place}.max", "missing", "Every tier but the last needs the bound up to which it goes.")
        return below
    upper = fields.number(f"{place}.max", value)
    if upper <= below:
        fields.refuse(f"{place}.max", f"{upper} is not above {below}", "Order the tiers by rising bounds.")
    return upper


def _energy_period(
    fields: Fields, name: str, period: list[Mapping[str, Any]], sell_default: Decimal | None
) -> EnergyPeriod:
    tiers = _tiers(fields, name, period, {"rate", "adj", "max", "unit", "sell"})
    units = {str(entry.get("unit", TierUnit.KWH)) for entry in period}
    unit = TierUnit.KWH
    if len(units) > 1:
        fields.refuse(f"{name}[1].unit", "the tiers of one period count different units", "Use one unit in a period.")
    else:
        unit = fields.choice(f"{name}[0].unit", units.pop(), TierUnit, TierUnit.KWH)
    sells = {
        fields.number(f"{name}[{index}].sell", entry["sell"])
        for index, entry in enumerate(period)
        if entry.get("sell") is not None
    }
    if len(sells) > 1:
        fields.refuse(
            f"{name}[1].sell", "the tiers of one period sell at different rates", "Use one sell rate in a period."
        )
    return EnergyPeriod(tiers, unit, min(sells) if sells else sell_default)


def demand(fields: Fields) -> Demand | None:
    """Flat and time-of-use demand; None where the tariff has neither."""
    _refuse_unknown_demand(fields)
    known = {"rate", "adj", "max", "unit"}
    structures = {
        name: tuple(_tiers(fields, f"{name}[{i}]", p, known) for i, p in enumerate(_structure(fields, name)))
        for name in ("flatdemandstructure", "demandratestructure")
    }
    flat, tou = structures["flatdemandstructure"], structures["demandratestructure"]
    if not flat and not tou:
        return None
    months: tuple[int, ...] = ()
    if flat:
        row = fields.by_month("flatdemandmonths") or [0] * 12
        months = tuple(_period_number(fields, f"flatdemandmonths[{m}]", v, len(flat)) for m, v in enumerate(row))
    minutes, is_sliding = demand_interval(fields)
    tou_schedule = schedule(fields, "demand", len(tou)) if tou else None
    return Demand(minutes, is_sliding, flat, months, tou, tou_schedule, _ratchet(fields, has_flat=bool(flat)))


def _refuse_unknown_demand(fields: Fields) -> None:
    for name in ("flatdemandunit", "demandrateunit", "demandunits"):
        if fields.has(name) and fields.document[name] != "kW":
            fields.refuse(
                name, f"{shown(fields.document[name])} is not measured by this meter", "Only kW is supported."
            )
    for name in ("flatdemandstructure", "demandratestructure"):
        for p, period in enumerate(_structure(fields, name)):
            for t, tier in enumerate(period):
                if tier.get("unit", "kW") != "kW":
                    fields.refuse(
                        f"{name}[{p}][{t}].unit", f"{shown(tier['unit'])} is unknown", "Only kW is supported."
                    )
    for name in ("coincidentratestructure", "coincidentrateschedule"):
        if fields.has(name):
            fields.refuse(
                name,
                "coincident demand is that at the utility's own peak, which no meter of the home knows",
                "Remove it, and state in `description` that the tariff is rated without it.",
            )
    if fields.document.get("demandreactivepowercharge"):
        fields.refuse("demandreactivepowercharge", "reactive power is not metered", "Remove it, or choose another.")


def demand_interval(fields: Fields) -> tuple[int, bool]:
    """The minutes that a demand is averaged over, and whether such intervals slide by quarter-hours."""
    minutes = fields.document.get("demandwindow")
    if minutes not in (15, 30, 60):
        fields.refuse("demandwindow", f"{shown(minutes)} minutes", "State 15, 30 or 60: the interval of a demand.")
        minutes = 15
    window = fields.document.get("demand_window")
    if window not in ("fixed", "sliding") and not (window is None and minutes == 15):
        fields.refuse(
            "demand_window", shown(window), 'State "fixed" (intervals follow each other) or "sliding" (by 15 minutes).'
        )
    return int(minutes), window == "sliding"


def _ratchet(fields: Fields, *, has_flat: bool) -> Ratchet | None:
    """URDB has two spellings: a percentage by month, or one percentage with the months or range looked back upon."""
    shares: tuple[Decimal, ...] = (ZERO,) * 12
    if fields.has("demandratchetpercentage"):
        row = fields.by_month("demandratchetpercentage") or [0] * 12
        shares = tuple(fields.number(f"demandratchetpercentage[{m}]", v, least=ZERO) for m, v in enumerate(row))
    if fields.document.get("lookbackpercent"):
        if any(shares):
            fields.refuse("lookbackpercent", "demandratchetpercentage says it too", "Keep one of the two.")
        shares = (fields.number("lookbackpercent", fields.document["lookbackpercent"], least=ZERO),) * 12
    if not any(shares):
        return None
    if any(share > 1 for share in shares):
        fields.refuse("demandratchetpercentage", "more than 1", "Write shares: 0.8 for 80 %.")
    if not has_flat:
        fields.refuse("flatdemandstructure", "missing", "A ratchet is on flat demand: give it, or remove the ratchet.")
    months_back, months = _looked_back_upon(fields)
    return Ratchet(shares, months_back, months)


def _looked_back_upon(fields: Fields) -> tuple[int, tuple[bool, ...]]:
    months_back = fields.document.get("lookbackrange") or 0
    row = fields.by_month("lookbackmonths") if fields.has("lookbackmonths") else None
    months = tuple(bool(value) for value in row or [False] * 12)
    if not isinstance(months_back, int) or not 0 <= months_back <= MONTHS_BACK_AT_MOST:
        fields.refuse("lookbackrange", f"{shown(months_back)} months", f"Write 1 to {MONTHS_BACK_AT_MOST} months.")
        return 0, months
    if bool(months_back) == any(months):
        fields.refuse(
            "lookbackrange",
            "a ratchet needs either the number of months it looks back, or lookbackmonths, and not both",
            "State lookbackrange (months), or lookbackmonths (twelve booleans).",
        )
    return months_back, months


def fixed_charge(fields: Fields) -> Charge | None:
    return _charge(fields, "fixedchargefirstmeter", "fixedchargeunits")


def minimum_charges(fields: Fields) -> tuple[Charge | None, Decimal | None]:
    """The minimum by the day or month, and that by the year, which is settled with December."""
    minimum = _charge(fields, "mincharge", "minchargeunits")
    annual: Decimal | None = None
    if minimum is not None and minimum.unit is ChargeUnit.YEAR:
        annual, minimum = minimum.amount, None
    for name in ("minmonthlycharge", "annualmincharge"):  # spellings of earlier versions that are still about
        if fields.has("mincharge") and fields.document.get(name):
            fields.refuse(name, "mincharge says it too", "Keep one of the two.")
    if fields.document.get("minmonthlycharge"):
        amount = fields.number("minmonthlycharge", fields.document["minmonthlycharge"], least=ZERO)
        minimum = Charge(amount, ChargeUnit.MONTH)
    if fields.document.get("annualmincharge"):
        annual = fields.number("annualmincharge", fields.document["annualmincharge"], least=ZERO)
    return minimum, annual


def _charge(fields: Fields, name: str, unit_name: str) -> Charge | None:
    if not fields.document.get(name):
        return None
    amount = fields.number(name, fields.document[name], least=ZERO)
    if not fields.has(unit_name):
        fields.refuse(unit_name, "missing", f"Say of what {name} is: $/day, $/month or $/year.")
        return Charge(amount, ChargeUnit.MONTH)
    return Charge(amount, fields.choice(unit_name, fields.document[unit_name], ChargeUnit, ChargeUnit.MONTH))


def fuel_by_month(fields: Fields) -> tuple[Decimal, ...]:
    if not fields.has("fueladjustmentsmonthly"):
        return ()
    row = fields.by_month("fueladjustmentsmonthly") or [0] * 12
    rates = tuple(fields.number(f"fueladjustmentsmonthly[{m}]", value) for m, value in enumerate(row))
    return rates if any(rates) else ()
