"""What a bill is made of, part by part, each with an answer worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from billing.rating import (
    Component,
    Facts,
    History,
    MissingFacts,
    Period,
    Rating,
    UnusableUsage,
    rate,
    rate_pair,
)
from tests.billing.documents import ALWAYS, EVENING, FLAT_DEMAND, hours, spans, tariff, tiers
from tests.billing.usages import at, evenly, month, none, usage

JUNE = month(2026, 6)
DECEMBER = month(2026, 12)


def exact(rating: Rating, component: Component) -> list[tuple[int | None, int | None, str, str]]:
    """(period, tier, quantity, exact) of each segment of a component."""
    return [
        (s.period, s.tier, format(s.quantity.normalize(), "f"), format(s.exact.normalize(), "f"))
        for s in rating.segments
        if s.component is component
    ]


def mornings_then_evenings(period: Period, morning_kwh: int, evening_kwh: int) -> np.ndarray[Any, Any]:
    """All of the morning's kWh in the first half of the month, all of the evening's in the second."""
    wh = none(period)
    half = period.interval_count // 2
    morning = np.tile(np.arange(96) < 48, period.day_count)
    early = np.arange(len(wh)) < half
    wh[morning & early] = morning_kwh * 1000 // int((morning & early).sum())
    wh[~morning & ~early] = evening_kwh * 1000 // int((~morning & ~early).sum())
    return wh


class TestTiers:
    """144 kWh at 10 / 20 cents in the mornings of the first half, 72 at 30 / 40 in the evenings of the second."""

    used = usage(JUNE, imported=mornings_then_evenings(JUNE, 144, 72))

    def test_proportional(self) -> None:
        rated = rate(self.used, spans(JUNE, tariff(**EVENING, tier_basis="proportional")))
        assert exact(rated, Component.ENERGY) == [
            (0, 0, "66.666666666667", "6.6666666666667"),
            (0, 1, "77.333333333333", "15.4666666666666"),
            (1, 0, "33.333333333333", "9.9999999999999"),
            (1, 1, "38.666666666667", "15.4666666666668"),
        ]

    def test_chronological(self) -> None:
        rated = rate(self.used, spans(JUNE, tariff(**EVENING, tier_basis="chronological")))
        assert exact(rated, Component.ENERGY) == [
            (0, 0, "100", "10"),
            (0, 1, "44", "8.8"),
            (1, 1, "72", "28.8"),
        ]

    def test_per_period(self) -> None:
        rated = rate(self.used, spans(JUNE, tariff(**EVENING, tier_basis="per_period")))
        assert exact(rated, Component.ENERGY) == [
            (0, 0, "100", "10"),
            (0, 1, "44", "8.8"),
            (1, 0, "72", "21.6"),
        ]

    def test_periods_may_have_bounds_of_their_own_where_each_fills_its_own(self) -> None:
        changes = {**EVENING, "energyratestructure": [tiers((120, 0.1), 0.2), [{"rate": 0.5}]]}
        rated = rate(self.used, spans(JUNE, tariff(**changes, tier_basis="per_period")))
        assert exact(rated, Component.ENERGY) == [(0, 0, "120", "12"), (0, 1, "24", "4.8"), (1, 0, "72", "36")]


@pytest.mark.parametrize(
    ("unit", "bound", "first_tier_kwh"),
    [
        ("kWh", 200, "200"),
        ("kWh daily", 5, "150"),  # 30 days
        ("kWh/kW", 50, "400"),  # highest demand 8 kW
        ("kWh/kW daily", 1.5, "360"),  # 8 kW, 30 days
    ],
)
@pytest.mark.parametrize("basis", ["proportional", "chronological", "per_period"])
def test_every_unit_of_a_tier(unit: str, bound: float, first_tier_kwh: str, basis: str) -> None:
    imported = evenly(JUNE, 576)
    imported[1000] = 2000
    tiered = tariff(
        energyratestructure=[[{"max": bound, "rate": 0.1, "unit": unit}, {"rate": 0.2, "unit": unit}]],
        tier_basis=basis,
        demandwindow=15,
    )
    first, second = exact(rate(usage(JUNE, imported=imported), spans(JUNE, tiered)), Component.ENERGY)
    assert first[2] == first_tier_kwh
    assert Decimal(first[2]) + Decimal(second[2]) == Decimal(int(imported.sum())) / 1000


def test_a_season_that_changes_within_a_billing_period_begins_its_tiers_by_days() -> None:
    """15 May to 14 June: 17 days of a winter bound of 310, 14 days of a summer bound of 620."""
    period = Period("America/Phoenix", date(2026, 5, 15), date(2026, 6, 15))
    summer = [[1] * 24 if 5 <= number <= 8 else [0] * 24 for number in range(12)]
    seasonal = tariff(
        energyratestructure=[tiers((310, 0.1), 0.2), tiers((620, 0.3), 0.4)],
        energyweekdayschedule=summer,
        energyweekendschedule=summer,
        tier_basis="proportional",
    )
    imported = evenly(period, 200, end=date(2026, 6, 1)) + evenly(period, 300, start=date(2026, 6, 1))
    assert exact(rate(usage(period, imported=imported), spans(period, seasonal)), Component.ENERGY) == [
        (0, 0, "170", "17"),
        (0, 1, "30", "6"),
        (1, 0, "280", "84"),
        (1, 1, "20", "8"),
    ]


class TestDemand:
    used = usage(
        JUNE,
        imported=at(
            JUNE, {"2026-06-10 17:00": 8, "2026-06-10 17:15": 12, "2026-06-10 17:30": 12, "2026-06-11 09:00": 9}
        ),
    )

    @pytest.mark.parametrize(
        ("minutes", "window", "kw"),
        [(15, "fixed", "12"), (30, "fixed", "10"), (30, "sliding", "12"), (60, "fixed", "8"), (60, "sliding", "8")],
    )
    def test_it_is_the_average_of_its_interval(self, minutes: int, window: str, kw: str) -> None:
        demanding = tariff(**{**FLAT_DEMAND, "demandwindow": minutes, "demand_window": window})
        rated = rate(self.used, spans(JUNE, demanding))
        assert exact(rated, Component.DEMAND_FLAT) == [(0, 0, kw, str(10 * int(kw)))]
        assert rated.peak_watts == 1000 * int(kw)

    def test_by_time_of_use_and_tier(self) -> None:
        demanding = tariff(
            demandratestructure=[tiers((5, 1), 2), [{"rate": 3}]],
            demandweekdayschedule=hours((0, 0), (16, 1), (21, 0)),
            demandweekendschedule=ALWAYS,
            holidays={"treated_as": "weekday"},
            demandwindow=15,
        )
        assert exact(rate(self.used, spans(JUNE, demanding)), Component.DEMAND_TOU) == [
            (0, 0, "5", "5"),
            (0, 1, "4", "8"),
            (1, 0, "12", "36"),
        ]

    def test_a_sliding_interval_is_in_one_period_or_in_none(self) -> None:
        demanding = tariff(
            demandratestructure=[[{"rate": 1}], [{"rate": 100}]],
            demandweekdayschedule=hours((0, 0), (17, 1), (18, 0)),
            demandweekendschedule=ALWAYS,
            holidays={"treated_as": "weekday"},
            demandwindow=30,
            demand_window="sliding",
        )
        used = usage(JUNE, imported=at(JUNE, {"2026-06-10 16:45": 8, "2026-06-10 17:00": 8}))
        assert exact(rate(used, spans(JUNE, demanding)), Component.DEMAND_TOU) == [(0, 0, "4", "4"), (1, 0, "4", "400")]

    def test_a_change_of_tariff_charges_each_its_days(self) -> None:
        later = tariff(**{**FLAT_DEMAND, "flatdemandstructure": [[{"rate": 20}]]})
        both = spans(JUNE, tariff(**FLAT_DEMAND), (date(2026, 6, 11), later))
        rated = rate(self.used, both)
        assert exact(rated, Component.DEMAND_FLAT) == [(0, 0, "12", "40"), (0, 0, "9", "120")]

    def test_undivided_the_last_pays(self) -> None:
        later = tariff(**FLAT_DEMAND, proration="whole", fixedchargefirstmeter=7, fixedchargeunits="$/month")
        rated = rate(self.used, spans(JUNE, later, (date(2026, 6, 11), later)))
        assert exact(rated, Component.DEMAND_FLAT) == [(0, 0, "9", "90")]
        assert exact(rated, Component.FIXED) == [(None, None, "1", "7")]


class TestRatchet:
    demanding = tariff(**FLAT_DEMAND, demandratchetpercentage=[0.5] * 5 + [0.8] * 7, lookbackrange=2)
    used = usage(JUNE, imported=at(JUNE, {"2026-06-10 17:00": 8}))

    def rated(self, *peaks: tuple[str, int], since: str | None = None) -> Rating:
        history = History(peaks_watts=peaks, since=since)
        return rate(self.used, spans(JUNE, self.demanding), Facts(with_node=history))

    def test_an_earlier_peak_is_remembered(self) -> None:
        assert exact(self.rated(("2026-04", 20000), ("2026-05", 9000)), Component.DEMAND_FLAT) == [(0, 0, "16", "160")]

    def test_a_higher_one_now_counts(self) -> None:
        assert exact(self.rated(("2026-04", 9000), ("2026-05", 9000)), Component.DEMAND_FLAT) == [(0, 0, "8", "80")]

    def test_what_is_further_back_is_forgotten(self) -> None:
        peaks = (("2026-03", 50000), ("2026-04", 1), ("2026-05", 1))
        assert exact(self.rated(*peaks), Component.DEMAND_FLAT) == [(0, 0, "8", "80")]

    def test_a_month_that_is_not_known_is_refused_and_one_before_the_home_is_not(self) -> None:
        with pytest.raises(MissingFacts, match="2026-04"):
            self.rated(("2026-05", 9000))
        assert exact(self.rated(("2026-05", 20000), since="2026-05"), Component.DEMAND_FLAT) == [(0, 0, "16", "160")]

    def test_months_may_be_marked_instead(self) -> None:
        marked = tariff(**FLAT_DEMAND, lookbackPercent=0.8, lookbackMonths=[n in (6, 7) for n in range(12)])
        history = History(peaks_watts=(("2025-07", 20000), ("2025-08", 30000)))
        rated = rate(self.used, spans(JUNE, marked), Facts(with_node=history))
        assert exact(rated, Component.DEMAND_FLAT) == [(0, 0, "24", "240")]

    def test_each_scenario_has_a_past_of_its_own(self) -> None:
        facts = Facts(
            with_node=History((("2026-04", 20000), ("2026-05", 0))),
            without_node=History((("2026-04", 0), ("2026-05", 0))),
        )
        assert rate_pair(self.used, spans(JUNE, self.demanding), facts).node_cost == 80


class TestMinimum:
    def test_it_lifts_all_charges_so_far(self) -> None:
        least = tariff(mincharge=10, minchargeunits="$/month", fixedchargefirstmeter=4, fixedchargeunits="$/month")
        rated = rate(usage(JUNE, imported=evenly(JUNE, 20)), spans(JUNE, least))
        assert exact(rated, Component.MINIMUM) == [(None, None, "4", "4")]
        assert rated.total() == 10

    def test_by_the_day(self) -> None:
        rated = rate(usage(JUNE, imported=none(JUNE)), spans(JUNE, tariff(mincharge=0.5, minchargeunits="$/day")))
        assert rated.total() == 15

    def test_a_change_of_tariff_makes_it_one_of_both(self) -> None:
        low, high = (tariff(mincharge=amount, minchargeunits="$/month") for amount in (6, 12))
        rated = rate(usage(JUNE, imported=evenly(JUNE, 70)), spans(JUNE, low, (date(2026, 6, 11), high)))
        assert rated.total(Component.MINIMUM) == 3
        assert rated.total() == 10

    def test_none_where_the_bill_is_above(self) -> None:
        rated = rate(usage(JUNE, imported=evenly(JUNE, 101)), spans(JUNE, tariff(minmonthlycharge=10)))
        assert exact(rated, Component.MINIMUM) == []

    def test_that_of_the_year_is_settled_with_december(self) -> None:
        least = tariff(annualmincharge=120)
        assert rate(usage(JUNE, imported=none(JUNE)), spans(JUNE, least)).total() == 0
        facts = Facts(with_node=History(year_charges=Decimal("80.5")))
        rated = rate(usage(DECEMBER, imported=evenly(DECEMBER, 100)), spans(DECEMBER, least), facts)
        assert exact(rated, Component.MINIMUM) == [(None, None, "29.5", "29.5")]
        assert rated.towards_minimum == Decimal("39.5")
        with pytest.raises(MissingFacts, match="annual minimum"):
            rate(usage(DECEMBER, imported=none(DECEMBER)), spans(DECEMBER, least))


class TestRidersTaxesCredits:
    used = usage(JUNE, imported=evenly(JUNE, 1000))

    def test_riders_by_kwh_day_month_and_share(self) -> None:
        riders = [
            {"name": "Fuel", "per_kwh": 0.005},
            {"name": "Meter", "per_day": 0.1},
            {"name": "Franchise", "rate": 0.02, "on": ["energy", "fixed"]},
            {"name": "Wildfire", "per_month": 3},
            {"name": "Winter", "per_month": 100, "months": [1, 12]},
        ]
        rated = rate(
            self.used, spans(JUNE, tariff(riders=riders, fixedchargefirstmeter=10, fixedchargeunits="$/month"))
        )
        assert [(s.label, s.exact) for s in rated.segments if s.component is Component.RIDER] == [
            ("Fuel", 5),
            ("Meter", 3),
            ("Franchise", Decimal("2.2")),
            ("Wildfire", 3),
        ]

    def test_taxes_are_on_what_they_name_and_see_riders_and_the_minimum(self) -> None:
        rated = rate(
            usage(JUNE, imported=none(JUNE)),
            spans(
                JUNE,
                tariff(
                    mincharge=10,
                    minchargeunits="$/month",
                    riders=[{"name": "Base", "per_month": 4}],
                    taxes=[
                        {"name": "City", "rate": 0.05, "on": ["energy", "rider", "minimum"]},
                        {"name": "State", "rate": 0.1, "on": ["rider"]},
                    ],
                ),
            ),
        )
        assert [(s.label, s.exact) for s in rated.segments if s.component is Component.TAX] == [
            ("City", Decimal("0.5")),
            ("State", Decimal("0.4")),
        ]
        assert rated.total() == Decimal("10.9")

    def test_credits_come_last_and_may_leave_less_than_nothing(self) -> None:
        credit = [{"name": "Climate credit", "per_month": 59.5, "months": [6]}]
        rated = rate(usage(JUNE, imported=evenly(JUNE, 100)), spans(JUNE, tariff(credits=credit)))
        assert rated.total(Component.CREDIT) == Decimal("-59.5")
        assert rated.total() == Decimal("-49.5")

    def test_fuel_adjustment_follows_the_calendar_month(self) -> None:
        period = Period("America/Phoenix", date(2026, 5, 22), date(2026, 6, 11))
        imported = evenly(period, 100, end=date(2026, 6, 1)) + evenly(period, 200, start=date(2026, 6, 1))
        fuel = tariff(fueladjustmentsmonthly=[0] * 4 + [0.01, 0.02] + [0] * 6)
        assert exact(rate(usage(period, imported=imported), spans(period, fuel)), Component.RIDER) == [
            (None, None, "100", "1"),
            (None, None, "200", "4"),
        ]


class TestExport:
    """At noon of one day 3 kWh go out, in its evening 5 come in; one more hour has both."""

    imported = at(JUNE, {"2026-06-10 20:00": 20, "2026-06-12 12:00": 8})
    exported = at(JUNE, {"2026-06-10 12:00": 12, "2026-06-12 12:30": 4})
    used = usage(JUNE, imported=imported, exported=exported)

    def rated(self, facts: Facts | None = None, **changes: Any) -> Rating:
        return rate(self.used, spans(JUNE, tariff(**changes)), facts or Facts())

    def test_none_earns_nothing_and_is_shown(self) -> None:
        rated = self.rated()
        assert exact(rated, Component.EXPORT) == [(0, None, "4", "0")]
        assert rated.total() == Decimal("0.7")

    def test_net_billing_by_interval(self) -> None:
        rated = self.rated(export_rule="net_billing", export_rate=0.05)
        assert rated.total(Component.ENERGY) == Decimal("0.7")
        assert rated.total(Component.EXPORT) == Decimal("-0.2")

    def test_net_billing_by_the_hour_nets_within_it(self) -> None:
        rated = self.rated(export_rule="net_billing", export_netting="hourly", export_rate=0.05, **FLAT_DEMAND)
        assert rated.total(Component.ENERGY) == Decimal("0.6")
        assert rated.total(Component.EXPORT) == Decimal("-0.15")
        assert rated.total(Component.DEMAND_FLAT) == 200  # demand is what came in

    def test_net_metering(self) -> None:
        rated = self.rated(export_rule="net_metering", export_surplus="carry")
        assert exact(rated, Component.ENERGY) == [(0, 0, "3", "0.3")]
        assert exact(rated, Component.EXPORT) == []

    def test_net_metering_by_period_carries_surplus_to_the_same_period(self) -> None:
        changes = {
            "energyratestructure": [[{"rate": 0.1}], [{"rate": 0.3}]],
            "energyweekdayschedule": hours((0, 0), (16, 1)),
            "energyweekendschedule": hours((0, 0), (16, 1)),
            "export_rule": "net_metering",
        }
        carried = self.rated(**changes, export_surplus="carry")
        assert exact(carried, Component.ENERGY) == [(1, 0, "5", "1.5")]
        assert exact(carried, Component.EXPORT) == [(0, None, "2", "0")]
        assert carried.carried_wh == (2000,)
        history = History(carried_wh=(500, 1500))
        next_month = self.rated(Facts(with_node=history), **changes, export_surplus="carry")
        assert exact(next_month, Component.ENERGY) == [(1, 0, "3.5", "1.05")]
        assert next_month.carried_wh == (2500, 0)
        sold = self.rated(**changes, export_surplus="credit", export_rate=0.04)
        assert sold.total() == Decimal("1.42")
        assert self.rated(**changes, export_surplus="forfeit").total() == Decimal("1.5")

    def test_buy_all_sell_all_needs_to_know_what_the_panels_made(self) -> None:
        with pytest.raises(UnusableUsage, match="solar_wh"):
            self.rated(export_rule="buy_all_sell_all", export_rate=0.05)
        solar = at(JUNE, {"2026-06-10 12:00": 16, "2026-06-12 12:30": 4})
        all_sold = tariff(export_rule="buy_all_sell_all", export_rate=0.05)
        rated = rate(replace(self.used, solar_wh=solar), spans(JUNE, all_sold))
        assert exact(rated, Component.ENERGY) == [(0, 0, "8", "0.8")]
        assert exact(rated, Component.EXPORT) == [(0, None, "5", "-0.25")]
