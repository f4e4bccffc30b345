"""Our own part of a document: what a bill depends on and the standard leaves open.

tier_basis      proportional | chronological | per_period        needed where a period has more than one tier
holidays        {"treated_as": "weekend" | "weekday", "days": [names], "observed": ..., "dates": [...]}
                                                                  needed where weekends differ from weekdays
demand_window   fixed | sliding                                   needed with a demandwindow of 30 or 60 minutes
proration       {"fixed": "days" | "whole", "tiers": ..., "demand": ..., "minimum": ...}, or one word for all
rounding        total (default) | line
export_rule     none | net_metering | net_billing | buy_all_sell_all, instead of dgrules
export_netting  interval (default) | hourly, with export_rule
export_rate     $/kWh sold, where periods have no `sell`
export_surplus  carry | credit | forfeit                         needed with net metering
riders, taxes, credits
                [{"name": ..., "per_kwh" | "per_day" | "per_month" | "rate": ..., "on": [...], "months": [...]}]
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from billing.tariffs.document import (
    Adder,
    Component,
    Export,
    ExportRule,
    Holidays,
    Netting,
    Proration,
    Prorations,
    Surplus,
)
from billing.tariffs.fields import Fields, shown
from billing.tariffs.holidays import OBSERVED, RULES
from billing.tariffs.urdb import DG_RULES

ALL_MONTHS: Final = tuple(range(1, 13))
PRORATED: Final = ("fixed", "tiers", "demand", "minimum")
AMOUNTS: Final = ("per_kwh", "per_day", "per_month", "rate")
_CHARGES: Final = (
    Component.ENERGY,
    Component.EXPORT,
    Component.DEMAND_FLAT,
    Component.DEMAND_TOU,
    Component.FIXED,
)
SHARES_OF: Final[dict[str, tuple[Component, ...]]] = {
    "riders": _CHARGES,
    "taxes": (*_CHARGES, Component.RIDER, Component.MINIMUM),
    "credits": (),
}
"""What a `rate` may be a share of: what is settled before it."""


def export(fields: Fields) -> Export:
    rule, netting = ExportRule.NONE, Netting.INTERVAL
    dgrules, own = fields.document.get("dgrules"), fields.document.get("export_rule")
    if own is not None:
        rule = fields.choice("export_rule", own, ExportRule, rule)
        if fields.has("export_netting"):
            netting = fields.choice("export_netting", fields.document["export_netting"], Netting, netting)
        if dgrules is not None and DG_RULES.get(str(dgrules)) != (rule, netting):
            fields.refuse("export_rule", f"contradicts dgrules {shown(dgrules)}", "Keep one of the two.")
    elif dgrules is None:
        fields.refuse(
            "dgrules",
            "nothing says what exported energy earns",
            'State dgrules, or export_rule: "none" where exported energy earns nothing.',
        )
    elif str(dgrules) not in DG_RULES:
        fields.refuse("dgrules", f"{shown(dgrules)} is unknown", f"Choose one of: {', '.join(DG_RULES)}.")
    else:
        rule, netting = DG_RULES[str(dgrules)]
    return Export(rule, netting, _surplus(fields, rule))


def _surplus(fields: Fields, rule: ExportRule) -> Surplus:
    if rule is not ExportRule.NET_METERING:
        return Surplus.FORFEIT
    if not fields.has("export_surplus"):
        fields.refuse(
            "export_surplus",
            "nothing says what becomes of a month's surplus under net metering",
            "State carry (kWh for the next period), credit (paid at `sell`) or forfeit.",
        )
        return Surplus.FORFEIT
    return fields.choice("export_surplus", fields.document["export_surplus"], Surplus, Surplus.FORFEIT)


def export_rate(fields: Fields) -> Decimal | None:
    return fields.number("export_rate", fields.document["export_rate"]) if fields.has("export_rate") else None


def holidays(fields: Fields, *, weekends_differ: bool) -> Holidays:
    stated = fields.document.get("holidays")
    if stated is None:
        if weekends_differ:
            fields.refuse(
                "holidays",
                "weekends differ from weekdays, and nothing says which holidays count as weekend",
                'State {"treated_as": "weekend", "days": [...], "observed": ...}, or {"treated_as": "weekday"}.',
            )
        return Holidays()
    if not isinstance(stated, Mapping) or stated.get("treated_as") not in ("weekend", "weekday"):
        fields.refuse("holidays.treated_as", "missing or unknown", "Write weekend or weekday.")
        return Holidays()
    return _holidays(fields, stated)


def _holidays(fields: Fields, stated: Mapping[str, Any]) -> Holidays:
    for key in sorted(set(stated) - {"treated_as", "days", "observed", "dates"}):
        fields.refuse(f"holidays.{key}", "unknown", "Use treated_as, days, observed and dates.")
    rules = [str(name) for name in fields.values("holidays.days", stated.get("days"))]
    for index, name in enumerate(rules):
        if name not in RULES:
            fields.refuse(f"holidays.days[{index}]", f"{shown(name)} is unknown", f"Choose of: {', '.join(RULES)}.")
    observed = str(stated.get("observed"))
    if rules and observed not in OBSERVED:
        meanings = "; ".join(f"{name}: {meaning}" for name, meaning in OBSERVED.items())
        fields.refuse(
            "holidays.observed", shown(stated.get("observed")), f"Say how holidays on weekends are kept. {meanings}."
        )
    listed = fields.values("holidays.dates", stated.get("dates"))
    dates = frozenset(fields.day(f"holidays.dates[{i}]", day) for i, day in enumerate(listed))
    if stated["treated_as"] == "weekday":
        return Holidays()
    return Holidays(
        tuple(name for name in rules if name in RULES), observed if observed in OBSERVED else "actual", dates
    )


def prorations(fields: Fields, needed: Mapping[str, bool]) -> Prorations:
    """`needed` says for which of fixed, tiers, demand and minimum this tariff must state it."""
    stated = fields.document.get("proration")
    if isinstance(stated, str):
        stated = dict.fromkeys(PRORATED, stated)
    if stated is not None and not isinstance(stated, Mapping):
        fields.refuse("proration", "neither a word nor an object", 'Write "days", "whole" or an object.')
        stated = None
    stated = stated or {}
    for key in sorted(set(stated) - set(PRORATED)):
        fields.refuse(f"proration.{key}", "unknown", f"Use {', '.join(PRORATED)}.")
    chosen = {}
    for name in PRORATED:
        if stated.get(name) is not None:
            chosen[name] = fields.choice(f"proration.{name}", stated[name], Proration, Proration.DAYS)
        elif needed[name]:
            fields.refuse(
                f"proration.{name}",
                "nothing says what a part of a billing period pays",
                "State days (in proportion to them) or whole.",
            )
    return Prorations(**{name: chosen.get(name, Proration.DAYS) for name in PRORATED})


def adders(fields: Fields, name: str) -> tuple[Adder, ...]:
    return tuple(_adder(fields, name, index, entry) for index, entry in enumerate(fields.records(name)))


def _adder(fields: Fields, kind: str, index: int, entry: Mapping[str, Any]) -> Adder:
    place = f"{kind}[{index}]"
    for key in sorted(set(entry) - {"name", "on", "months", *AMOUNTS}):
        fields.refuse(f"{place}.{key}", "unknown", f"Use name, months, and one of {', '.join(AMOUNTS)}.")
    if not isinstance(entry.get("name"), str) or not entry["name"].strip():
        fields.refuse(f"{place}.name", "missing", "Name it as the utility's bill does.")
    given = [amount for amount in AMOUNTS if entry.get(amount) is not None]
    if len(given) != 1:
        fields.refuse(place, f"{len(given)} amounts", f"Give exactly one of {', '.join(AMOUNTS)}.")
    values = {amount: fields.number(f"{place}.{amount}", entry[amount]) for amount in given}
    if kind == "credits" and any(value < 0 for value in values.values()):
        fields.refuse(place, "a negative credit", "Write what is credited as a positive number.")
    return Adder(
        name=str(entry.get("name")),
        months=_months(fields, place, entry.get("months")),
        per_kwh=values.get("per_kwh"),
        per_day=values.get("per_day"),
        per_month=values.get("per_month"),
        share=values.get("rate"),
        on=_on(fields, kind, place, entry) if "rate" in values else (),
    )


def _months(fields: Fields, place: str, stated: object) -> tuple[int, ...]:
    if stated is None:
        return ALL_MONTHS
    if not isinstance(stated, list) or not stated or any(month not in ALL_MONTHS for month in stated):
        fields.refuse(f"{place}.months", "not a list of months", "Write months as numbers, [4, 10].")
        return ALL_MONTHS
    return tuple(sorted({int(month) for month in stated}))


def _on(fields: Fields, kind: str, place: str, entry: Mapping[str, Any]) -> tuple[Component, ...]:
    possible = SHARES_OF[kind]
    if not possible:
        fields.refuse(f"{place}.rate", "a credit cannot be a share", "Give per_kwh, per_day or per_month.")
        return ()
    stated = entry.get("on")
    if not isinstance(stated, list) or not stated or any(name not in possible for name in stated):
        known = ", ".join(possible)
        fields.refuse(f"{place}.on", "does not say what the rate is a share of", f"List some of: {known}.")
        return ()
    return tuple(component for component in possible if component in stated)
