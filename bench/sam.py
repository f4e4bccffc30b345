"""NREL's SAM (`nrel-pysam`, Utilityrate5) as a second opinion on a bill.

Its year has 8,760 hours and begins on a Monday; it knows no daylight saving, no holidays and no leap day. Demand is the
average kW of a step. kWh of all periods of a month fill the tiers together, in proportion or in the order of time,
which asks for equal bounds in all of them. One run gives two bills: of the load, and of the load less what
a "system" makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import PySAM.Utilityrate5

UNITS: Final = {"kWh": 0, "kWh/kW": 1, "kWh daily": 2, "kWh/kW daily": 3}
METERING: Final = {"proportional": 0, "chronological": 2}
"""Net metering rates a month at its end, net billing each hour as it comes. Without exports nothing else differs."""
UNBOUNDED: Final = 1e38
MONTHLY: Final = {
    "energy": "year1_monthly_ec_charge",
    "demand_flat": "year1_monthly_dc_fixed",
    "demand_tou": "year1_monthly_dc_tou",
    "fixed": "year1_monthly_fixed",
    "minimum": "year1_monthly_minimum",
}
"""Our components and the outputs that hold them, which end in _with_system and _without_system."""


@dataclass(frozen=True)
class YearBills:
    """USD by component and month."""

    of_load: Mapping[str, Sequence[float]]
    of_load_less_system: Mapping[str, Sequence[float]]


def model_of(document: Mapping[str, Any], load_kw: Sequence[float], system_kw: Sequence[float]) -> Any:
    """A model that is ready to execute. Hourly kW, 8,760 of each."""
    model = PySAM.Utilityrate5.new()
    model.Lifetime.assign({"analysis_period": 1, "inflation_rate": 0, "system_use_lifetime_output": 0})
    model.SystemOutput.assign({"gen": tuple(system_kw), "degradation": (0,)})
    model.Load.assign({"load": tuple(load_kw), "load_escalation": (0,)})
    model.ElectricityRates.assign(_rates(document))
    return model


def year_bills(model: Any) -> YearBills:
    model.execute(0)
    return YearBills(_read(model, "without_system"), _read(model, "with_system"))


def _read(model: Any, whose: str) -> dict[str, Sequence[float]]:
    return {name: getattr(model.Outputs, f"{output}_{whose}") for name, output in MONTHLY.items()}


def _rates(document: Mapping[str, Any]) -> dict[str, Any]:
    rates: dict[str, Any] = {
        "en_electricity_rates": 1,
        "rate_escalation": (0,),
        "ur_metering_option": METERING[document.get("tier_basis", "proportional")],
        "ur_monthly_fixed_charge": document.get("fixedchargefirstmeter", 0),
        "ur_monthly_min_charge": document.get("mincharge", 0),
        "ur_annual_min_charge": 0,
        "ur_ec_sched_weekday": _schedule(document["energyweekdayschedule"]),
        "ur_ec_sched_weekend": _schedule(document["energyweekendschedule"]),
        "ur_ec_tou_mat": [
            (period, tier, entry.get("max", UNBOUNDED), UNITS[entry.get("unit", "kWh")], _rate(entry), 0)
            for period, tier, entry in _tiers(document["energyratestructure"])
        ],
        "ur_dc_enable": 0,
        "ur_enable_billing_demand": 0,
        "ur_en_ts_buy_rate": 0,
        "ur_en_ts_sell_rate": 0,
        "ur_sell_eq_buy": 0,
    }
    flat, tou = document.get("flatdemandstructure"), document.get("demandratestructure")
    if flat or tou:
        rates |= _demand(document, flat or [[{"rate": 0}]], tou or [[{"rate": 0}]])
    return rates


def _demand(document: Mapping[str, Any], flat: Any, tou: Any) -> dict[str, Any]:
    none = [[0] * 24] * 12
    return {
        "ur_dc_enable": 1,
        "ur_dc_flat_mat": [
            (month, tier, entry.get("max", UNBOUNDED), _rate(entry))
            for month, period in enumerate(document.get("flatdemandmonths", [0] * 12))
            for tier, entry in enumerate(flat[period], 1)
        ],
        "ur_dc_tou_mat": [
            (period, tier, entry.get("max", UNBOUNDED), _rate(entry)) for period, tier, entry in _tiers(tou)
        ],
        "ur_dc_sched_weekday": _schedule(document.get("demandweekdayschedule", none)),
        "ur_dc_sched_weekend": _schedule(document.get("demandweekendschedule", none)),
    }


def _tiers(structure: Any) -> list[tuple[int, int, Mapping[str, Any]]]:
    return [(period, tier, entry) for period, tiers in enumerate(structure, 1) for tier, entry in enumerate(tiers, 1)]


def _rate(entry: Mapping[str, Any]) -> float:
    return float(entry["rate"]) + float(entry.get("adj", 0))


def _schedule(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """SAM counts periods from 1."""
    return [[period + 1 for period in row] for row in rows]
