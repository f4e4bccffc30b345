"""Generated tariffs that SAM can rate too, and the real ones where the data is at hand."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

from tests.billing.documents import document

FOLDER = Path(os.environ.get("XFRA_TARIFFS", Path(__file__).resolve().parents[3] / "shared" / "data" / "tariffs"))
UNITS = ["kWh", "kWh", "kWh daily", "kWh/kW", "kWh/kW daily"]
BOUNDS = {"kWh": (100, 1500), "kWh daily": (4, 50), "kWh/kW": (20, 250), "kWh/kW daily": (1, 8)}


def generated(seed: int) -> dict[str, Any]:
    """1-4 periods, 1-3 tiers of any unit, optional flat and time-of-use demand, fixed and minimum charges.

    SAM wants equal bounds in all periods of a month, of energy and of demand. It knows no holidays.
    """
    rng = random.Random(seed)
    count, tiers = rng.randint(1, 4), rng.randint(1, 3)
    unit = rng.choice(UNITS)
    bounds = sorted(rng.sample(range(*BOUNDS[unit]), tiers - 1))
    whole: dict[str, Any] = {
        "name": f"Generated {seed}",
        "energyratestructure": [
            [
                {"rate": _rate(rng, 0.05, 0.6), "adj": _rate(rng, -0.02, 0.04), "unit": unit}
                | ({"max": bound} if bound is not None else {})
                for bound in [*bounds, None]
            ]
            for _ in range(count)
        ],
        "energyweekdayschedule": _schedule(rng, count),
        "energyweekendschedule": _schedule(rng, count),
        "holidays": {"treated_as": "weekday"},
        "tier_basis": "chronological" if seed % 5 == 4 else "proportional",
        "demandwindow": 60,
        "demand_window": "fixed",
        "fixedchargefirstmeter": _rate(rng, 0, 40),
        "fixedchargeunits": "$/month",
    }
    if seed % 4 == 3:
        whole |= {"mincharge": _rate(rng, 50, 400), "minchargeunits": "$/month"}
    if seed % 2:
        whole["flatdemandstructure"] = _demand(rng, 2)
        whole["flatdemandmonths"] = [rng.randrange(2) for _ in range(12)]
    if seed % 3:
        demand_count = rng.randint(1, 4)
        whole["demandratestructure"] = _demand(rng, demand_count)
        whole["demandweekdayschedule"] = _schedule(rng, demand_count)
        whole["demandweekendschedule"] = _schedule(rng, demand_count)
    return document(**whole)


def real() -> dict[str, dict[str, Any]]:
    """By name; empty where the data is not at hand. They have neither tiers nor demand, nor fields of ours."""
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.json"))}


def _rate(rng: random.Random, least: float, most: float) -> float:
    return round(rng.uniform(least, most), 5)


def _demand(rng: random.Random, count: int) -> list[list[dict[str, float]]]:
    bounds = sorted(rng.sample(range(2, 14), rng.randint(0, 2)))
    return [
        [{"rate": _rate(rng, 1, 20), **({"max": bound} if bound is not None else {})} for bound in [*bounds, None]]
        for _ in range(count)
    ]


def _schedule(rng: random.Random, count: int) -> list[list[int]]:
    """Two seasons, each with up to four stretches of a day."""
    seasons = []
    for _ in range(2):
        edges = [0, *sorted(rng.sample(range(1, 24), 3)), 24]
        row = [rng.randrange(count) for _ in range(4)]
        seasons.append([row[n] for n in range(4) for _ in range(edges[n], edges[n + 1])])
    return [seasons[month in (5, 6, 7, 8)] for month in range(12)]
