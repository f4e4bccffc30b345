"""Our bills beside SAM's: twelve months, with and without the node, each component by itself.

How two conventions are brought together:
- SAM's year has 8,760 hours and begins on a Monday, without daylight saving: ours is 2018 in a zone of constant offset.
- Tiers are filled in proportion where SAM rates a month at its end, and in the order of time where it rates each hour.
- Its demand is the kW of an hour, so `demandwindow` is 60 minutes; our quarter-hours are each a quarter of the hour.
- Its "system" makes what our node uses: the load less the system is the site without the node, in one run.
- A charge by the day is billed by the days of the month here, and by 365 / 12 days in SAM: that is given to it as zero
  and compared with the product. Export, holidays and carrying are not part of the comparison.
- Its floats are compared within 1e-6 of their size, and where the size is zero within 1e-9.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from bench.sam import model_of, year_bills
from billing.rating import Component, PairedRating, Period, TariffSpan, Usage, rate_pair
from billing.tariffs import parse
from tests.billing.sam_tariffs import FOLDER, generated, real

pytestmark = pytest.mark.sam

ZONE, YEAR = "Etc/GMT+7", 2018
COMPONENTS = ["energy", "demand_flat", "demand_tou", "fixed", "minimum"]
RELATIVE, ABSOLUTE = 1e-6, 1e-9
GENERATED = range(32)


@lru_cache
def hourly_wh(seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(home, node) of 8,760 hours, in multiples of 4 Wh so that its quarters are whole."""
    rng = np.random.default_rng(seed)
    hours = np.arange(8760) % 24
    home = (150 + 300 * (hours > 16) + rng.integers(0, 400, 8760)) * 4
    node = rng.integers(0, 2700, 8760) * 4 * (rng.random(8760) < 0.9)
    return home, node


def month(number: int) -> Period:
    return Period(ZONE, date(YEAR, number + 1, 1), date(YEAR + number // 11, (number + 1) % 12 + 1, 1))


def rated_year(document: dict[str, Any], seed: int) -> list[PairedRating]:
    home, node = hourly_wh(seed)
    tariff, found, first = parse(document), [], 0
    for number in range(12):
        period = month(number)
        hours = slice(first, first + period.interval_count // 4)
        first = hours.stop
        site_wh, node_wh = ((wh[hours] // 4).repeat(4) for wh in (home + node, node))
        usage = Usage(period, site_wh, np.zeros_like(site_wh), node_wh)
        found.append(rate_pair(usage, [TariffSpan(tariff, period.start, period.end)]))
    return found


def deviations(document: dict[str, Any], seed: int, sam_document: dict[str, Any] | None = None) -> list[float]:
    """Relative to the larger, of every component of every month and scenario; zero where both are below the floor."""
    home, node = hourly_wh(seed)
    theirs = year_bills(model_of(sam_document or document, ((home + node) / 1000).tolist(), (node / 1000).tolist()))
    found = []
    for number, pair in enumerate(rated_year(document, seed)):
        for ours, of_sam in ((pair.with_node, theirs.of_load), (pair.without_node, theirs.of_load_less_system)):
            for name in COMPONENTS:
                one, other = float(ours.total(Component(name))), of_sam[name][number]
                size = max(abs(one), abs(other))
                found.append(0.0 if abs(one - other) <= ABSOLUTE else abs(one - other) / size)
    return found


@pytest.mark.parametrize("seed", GENERATED)
def test_generated_tariffs(seed: int) -> None:
    found = deviations(generated(seed), seed)
    assert len(found) == 12 * 2 * len(COMPONENTS)
    assert max(found) <= RELATIVE


def test_what_is_generated_has_everything() -> None:
    documents = [generated(seed) for seed in GENERATED]
    assert {len(each["energyratestructure"]) for each in documents} == {1, 2, 3, 4}
    assert {len(each["energyratestructure"][0]) for each in documents} == {1, 2, 3}
    tiered = [each["energyratestructure"][0] for each in documents if len(each["energyratestructure"][0]) > 1]
    assert {tiers[0]["unit"] for tiers in tiered} == {"kWh", "kWh daily", "kWh/kW", "kWh/kW daily"}
    assert sum("flatdemandstructure" in each for each in documents) >= 10
    assert sum("demandratestructure" in each for each in documents) >= 10


@pytest.mark.parametrize("name", ["aps-r-tou-e", "nevada-power-ors-tou", "nevada-power-rs", "srp-e-26-tou"])
def test_real_tariffs(name: str) -> None:
    found = real()
    if name not in found:
        pytest.skip(
            f"needs {name}.json of the OpenEI Utility Rate Database in {FOLDER}, which is not part of the project"
        )
    ours = found[name] | {"proration": "days", "holidays": {"treated_as": "weekday"}, "export_surplus": "carry"}
    if ours["dgrules"] == "Net Billing Instantaneous":
        ours |= {"export_rate": 0}
    sam = dict(ours)
    by_day = ours["fixedchargeunits"] == "$/day"
    if by_day:
        sam["fixedchargefirstmeter"] = 0
        ours = ours | {"fixedchargefirstmeter": 0}
    assert max(deviations(ours, 99, sam)) <= RELATIVE
    if by_day:
        charged = rated_year(found[name] | {k: ours[k] for k in ours if k not in found[name]}, 99)
        daily = Decimal(str(found[name]["fixedchargefirstmeter"]))
        assert [pair.with_node.total(Component.FIXED) for pair in charged] == [
            daily * month(number).day_count for number in range(12)
        ]
