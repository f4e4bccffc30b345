"""Cases whose answer is known, worked out by hand: what is given, and what must come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from billing.rating import NO_FACTS, Facts, Period, TariffSpan, Usage
from tests.billing.documents import spans, tariff, tiers
from tests.billing.usages import at, evenly, month, none, usage

APRIL, JUNE, JANUARY = month(2026, 4), month(2026, 6), month(2026, 1, "America/Los_Angeles")
BEFORE_MOVE = Period(APRIL.zone, APRIL.start, date(2026, 4, 9))
AFTER_MOVE = Period(APRIL.zone, date(2026, 4, 9), APRIL.end)


@dataclass(frozen=True)
class RatingCase:
    """Amounts in USD. `lines` are of a component in a tariff span, where the case is about them."""

    name: str
    usage: Usage
    spans: Sequence[TariffSpan]
    with_node: str
    without_node: str
    node_cost: str
    facts: Facts = NO_FACTS
    lines: dict[tuple[str, int], str] = field(default_factory=dict)


RATING_CASES = [
    RatingCase(
        name="tiers: home 300 kWh, node 900; an average-cost share would be 155.25 and cost the host 12.75",
        usage=usage(JUNE, imported=evenly(JUNE, 1200), node=evenly(JUNE, 900)),
        spans=spans(JUNE, tariff(energyratestructure=[tiers((350, 0.13), 0.19)], tier_basis="proportional")),
        with_node="207.00",
        without_node="39.00",
        node_cost="168.00",
    ),
    RatingCase(
        name="demand: site peak 14.2 kW, the home's own 6.1 kW at another hour, 9.25 $/kW",
        usage=usage(
            JUNE,
            imported=at(JUNE, {"2026-06-10 17:15": 14.2, "2026-06-20 09:00": 6.1}),
            node=at(JUNE, {"2026-06-10 17:15": 11.0}),
        ),
        spans=spans(
            JUNE,
            tariff(
                energyratestructure=[[{"rate": 0}]],
                flatdemandstructure=[[{"rate": 9.25}]],
                flatdemandmonths=[0] * 12,
                demandwindow=15,
            ),
        ),
        with_node="131.35",
        without_node="56.43",  # exactly 56.425
        node_cost="74.93",  # exactly 74.925
    ),
    RatingCase(
        name="minimum bill of 10: the home alone would use 4.00 and pay 10.00",
        usage=usage(JUNE, imported=evenly(JUNE, 1500), node=evenly(JUNE, 1460)),
        spans=spans(JUNE, tariff(mincharge=10, minchargeunits="$/month")),
        with_node="150.00",
        without_node="10.00",
        node_cost="140.00",
        lines={("energy", 0): "150.00"},
    ),
    RatingCase(
        name="tariff change on the 15th: tiers of 350 and the fixed charge by days, 400 and 500 kWh",
        usage=usage(
            JUNE,
            imported=evenly(JUNE, 400, end=date(2026, 6, 15)) + evenly(JUNE, 500, start=date(2026, 6, 15)),
        ),
        spans=spans(
            JUNE,
            tariff(
                energyratestructure=[tiers((350, 0.12), 0.18)],
                tier_basis="proportional",
                fixedchargefirstmeter=10,
                fixedchargeunits="$/month",
            ),
            (
                date(2026, 6, 15),
                tariff(
                    energyratestructure=[tiers((350, 0.15), 0.21)],
                    tier_basis="proportional",
                    fixedchargefirstmeter=10,
                    fixedchargeunits="$/month",
                ),
            ),
        ),
        with_node="166.00",  # 156.00 of energy and 10.00 fixed
        without_node="166.00",
        node_cost="0.00",
        lines={("energy", 0): "62.20", ("energy", 1): "93.80", ("fixed", 0): "4.67", ("fixed", 1): "5.33"},
    ),
    RatingCase(
        name="solar, net billing: node 3 kWh, import 1; without it 2 would have been exported",
        usage=usage(
            JUNE,
            imported=at(JUNE, {"2026-06-10 12:00": 4.0}),
            node=at(JUNE, {"2026-06-10 12:00": 12.0}),
        ),
        spans=spans(
            JUNE,
            tariff(
                energyratestructure=[[{"rate": 0.30, "sell": 0.05}]],
                export_rule=None,
                dgrules="Net Billing Instantaneous",
            ),
        ),
        with_node="0.30",
        without_node="-0.10",
        node_cost="0.40",
    ),
    RatingCase(
        name="move-in on the 9th of 30 days, 18.00 fixed: the one who moved in",
        usage=usage(AFTER_MOVE, imported=none(AFTER_MOVE)),
        spans=spans(AFTER_MOVE, tariff(fixedchargefirstmeter=18, fixedchargeunits="$/month")),
        facts=Facts(cycle_start=APRIL.start, cycle_end=APRIL.end),
        with_node="13.20",
        without_node="13.20",
        node_cost="0.00",
    ),
    RatingCase(
        name="move-in on the 9th of 30 days, 18.00 fixed: the one who moved out",
        usage=usage(BEFORE_MOVE, imported=none(BEFORE_MOVE)),
        spans=spans(BEFORE_MOVE, tariff(fixedchargefirstmeter=18, fixedchargeunits="$/month")),
        facts=Facts(cycle_start=APRIL.start, cycle_end=APRIL.end),
        with_node="4.80",
        without_node="4.80",
        node_cost="0.00",
    ),
    RatingCase(
        name="node off all month, 2,976 measured zeros: a node cost of 0.00, on a bill that is not",
        usage=usage(JANUARY, imported=evenly(JANUARY, 300)),
        spans=spans(JANUARY, tariff()),
        with_node="30.00",
        without_node="30.00",
        node_cost="0.00",
    ),
]


@dataclass(frozen=True)
class RoundingCase:
    name: str
    amounts: Sequence[str]
    rounding: str
    cents: Sequence[int]


ROUNDING_CASES = [
    RoundingCase("three lines of 0.335 on the total: 1.01", ["0.335"] * 3, "total", [34, 34, 33]),
    RoundingCase("three lines of 0.335 on the line: 1.02", ["0.335"] * 3, "line", [34, 34, 34]),
    RoundingCase("the same as a credit", ["-0.335"] * 3, "total", [-34, -34, -33]),
    RoundingCase("halves go away from zero", ["0.005"], "total", [1]),
    RoundingCase("below zero too", ["-0.005"], "line", [-1]),
    RoundingCase("the largest remainder is served first", ["0.331", "0.338", "0.331"], "total", [33, 34, 33]),
    RoundingCase("a charge and a credit, 10.003 together", ["10.006", "-0.003"], "total", [1000, 0]),
    RoundingCase("nothing", [], "total", []),
]


@dataclass(frozen=True)
class CorrectionCase:
    """What a correction posts: new cents less old cents."""

    name: str
    was: str
    now: str
    posted_cents: int


CORRECTION_CASES = [
    CorrectionCase("3.4049 becomes 3.4051", "3.4049", "3.4051", 1),
    CorrectionCase("and back", "3.4051", "3.4049", -1),
    CorrectionCase("a change below a cent that crosses nothing", "3.4041", "3.4044", 0),
]
