"""Whether a document can be published, and the tariff that it is.

Whatever rating needs and the document lacks, and whatever it has and rating does not understand, is a problem here,
so that nothing is left to be guessed when a month is rated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from billing.tariffs import own, urdb
from billing.tariffs.canonical import sha256
from billing.tariffs.document import (
    Charge,
    ChargeUnit,
    EnergyPeriod,
    Export,
    ExportRule,
    Rounding,
    Schedule,
    Surplus,
    Tariff,
    TierBasis,
)
from billing.tariffs.fields import Fields, Problem, UnsupportedTariff

# fmt: off
RATED: Final = frozenset(
    {
        "energyratestructure", "energyweekdayschedule", "energyweekendschedule", "fueladjustmentsmonthly",
        "flatdemandstructure", "flatdemandmonths", "flatdemandunit", "demandratestructure", "demandweekdayschedule",
        "demandweekendschedule", "demandrateunit", "demandunits", "demandwindow", "demandratchetpercentage",
        "demandreactivepowercharge", "lookbackpercent", "lookbackmonths", "lookbackrange",
        "coincidentratestructure", "coincidentrateschedule", "coincidentrateunit", "fixedchargefirstmeter",
        "fixedchargeunits", "mincharge", "minchargeunits", "minmonthlycharge", "annualmincharge", "dgrules",
        "tier_basis", "holidays", "demand_window", "proration", "rounding", "taxes", "riders", "credits",
        "export_rule", "export_netting", "export_rate", "export_surplus",
    }
)
TOLD: Final = frozenset(
    {
        "label", "utility", "name", "uri", "approved", "is_default", "startdate", "enddate", "supersedes",
        "supercedes", "latest_update", "revisions", "sector", "servicetype", "description", "source",
        "sourceparent", "basicinformationcomments", "peakkwcapacitymin", "peakkwcapacitymax",
        "peakkwcapacityhistory", "peakkwhusagemin", "peakkwhusagemax", "peakkwhusagehistory", "voltageminimum",
        "voltagemaximum", "voltagecategory", "phasewiring", "demandcomments", "energycomments", "eiaid", "eia",
        "country", "fixedchargeeaaddl", "notes",
    }
)
# fmt: on
"""Fields that tell and charge nothing; a home has one meter, so the charge for further ones is among them."""
ATTRIBUTES: Final = frozenset({"energyattrs", "demandattrs", "fixedattrs"})
FORMER: Final = {
    "fixedmonthlycharge": "Write fixedchargefirstmeter with fixedchargeunits $/month.",
    "usenetmetering": "Write dgrules.",
}

SPELLINGS: Final = {
    "lookbackPercent": "lookbackpercent",
    "lookbackMonths": "lookbackmonths",
    "lookbackRange": "lookbackrange",
}
"""The standard's own documents write these both ways."""


def check(document: Mapping[str, Any]) -> list[Problem]:
    """Everything that keeps the document from being published; empty if nothing does."""
    return _read(document)[1]


def parse(document: Mapping[str, Any]) -> Tariff:
    """The tariff of a document. Raises UnsupportedTariff with all its problems."""
    tariff, problems = _read(document)
    if problems or tariff is None:
        raise UnsupportedTariff(problems)
    return tariff


def _read(document: Mapping[str, Any]) -> tuple[Tariff | None, list[Problem]]:
    fields = Fields({SPELLINGS.get(name, name): value for name, value in document.items()})
    _refuse_unknown(fields)
    try:
        digest = sha256(document)
    except (TypeError, ValueError) as error:
        fields.refuse("document", str(error), "Use only what JSON can say.")
        return None, fields.problems
    return _tariff(fields, digest), fields.problems


def _refuse_unknown(fields: Fields) -> None:
    for name in sorted(map(str, fields.document)):
        if name in FORMER:
            fields.refuse(name, "a field of earlier versions", FORMER[name])
        elif name in ATTRIBUTES:
            if fields.document[name]:
                fields.refuse(
                    name,
                    "free text that may charge something",
                    "Put what it charges into riders, taxes or credits, the rest into description, and remove it.",
                )
        elif name not in RATED | TOLD:
            fields.refuse(name, "unknown", "Correct its name, or remove it.")


def _tariff(fields: Fields, digest: str) -> Tariff:
    energy = urdb.energy_periods(fields, own.export_rate(fields))
    schedule = urdb.schedule(fields, "energy", len(energy))
    demand, fixed = urdb.demand(fields), urdb.fixed_charge(fields)
    minimum, annual_minimum = urdb.minimum_charges(fields)
    riders, taxes, credit = (own.adders(fields, name) for name in ("riders", "taxes", "credits"))
    export = own.export(fields)
    schedules = [schedule, *([demand.tou_schedule] if demand and demand.tou_schedule else [])]
    _refuse_unsold(fields, energy, export)
    per_kw_interval: tuple[int, bool] | None = None
    if any(period.unit.is_per_kw for period in energy):
        per_kw_interval = (demand.minutes, demand.is_sliding) if demand else urdb.demand_interval(fields)
    needed = {
        "fixed": _is_by_month(fixed) or any(adder.per_month is not None for adder in (*riders, *taxes, *credit)),
        "tiers": any(period.uppers and not period.unit.is_daily for period in energy),
        "demand": demand is not None,
        "minimum": _is_by_month(minimum),
    }
    return Tariff(
        sha256=digest,
        name=fields.text("name"),
        utility=fields.text("utility"),
        energy=energy,
        schedule=schedule,
        tier_basis=_tier_basis(fields, energy, schedule, export),
        holidays=own.holidays(fields, weekends_differ=any(each.weekday != each.weekend for each in schedules)),
        demand=demand,
        per_kw_interval=per_kw_interval,
        fixed=fixed,
        minimum=minimum,
        annual_minimum=annual_minimum,
        fuel_by_month=urdb.fuel_by_month(fields),
        riders=riders,
        taxes=taxes,
        credits=credit,
        export=export,
        proration=own.prorations(fields, needed),
        rounding=fields.choice("rounding", fields.document.get("rounding", "total"), Rounding, Rounding.TOTAL),
    )


def _is_by_month(charge: Charge | None) -> bool:
    return charge is not None and charge.unit is not ChargeUnit.DAY


def _tier_basis(fields: Fields, energy: tuple[EnergyPeriod, ...], schedule: Schedule, export: Export) -> TierBasis:
    if not any(period.uppers for period in energy):
        return TierBasis.PER_PERIOD
    if not fields.has("tier_basis"):
        fields.refuse(
            "tier_basis",
            "there are tiers, and nothing says how kWh fill them",
            "State proportional, chronological or per_period, as the utility's sheet does.",
        )
        return TierBasis.PROPORTIONAL
    basis = fields.choice("tier_basis", fields.document["tier_basis"], TierBasis, TierBasis.PROPORTIONAL)
    if basis is not TierBasis.PER_PERIOD:
        _refuse_unequal_bounds(fields, energy, schedule)
    if basis is TierBasis.CHRONOLOGICAL and export.rule is ExportRule.NET_METERING:
        fields.refuse(
            "tier_basis",
            "what is netted over a month has no order in time",
            "State proportional or per_period with net metering.",
        )
    return basis


def _refuse_unequal_bounds(fields: Fields, energy: tuple[EnergyPeriod, ...], schedule: Schedule) -> None:
    for month in range(12):
        numbers = sorted(schedule.periods_of_month(month))
        if len({(energy[number].unit, energy[number].uppers) for number in numbers}) > 1:
            fields.refuse(
                "energyratestructure",
                f"the periods {numbers} of month {month + 1} have different tier bounds, but fill tiers together",
                "Give them equal bounds and units, or state tier_basis per_period.",
            )
            return


def _refuse_unsold(fields: Fields, energy: tuple[EnergyPeriod, ...], export: Export) -> None:
    """Where exported energy is paid for, every period needs to say how much."""
    is_paid = export.rule in (ExportRule.NET_BILLING, ExportRule.BUY_ALL_SELL_ALL) or (
        export.rule is ExportRule.NET_METERING and export.surplus is Surplus.CREDIT
    )
    if is_paid and any(period.sell is None for period in energy):
        fields.refuse(
            "export_rate",
            "exported energy is paid for, and a period does not say how much",
            "Give `sell` in every period, or export_rate for all.",
        )
