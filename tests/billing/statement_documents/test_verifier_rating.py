"""Two programs, one bill: the verifier rates what is drawn to the engine's last digit."""

from __future__ import annotations

import json
from fractions import Fraction

from hypothesis import HealthCheck, given, settings

from billing.bill_lines import bill_lines
from billing.documents.clock import clock_of
from billing.documents.verifier import settling
from billing.documents.verifier.clock import wall_clock
from billing.documents.verifier.exact import number
from billing.documents.verifier.rating import Bill, spans_of
from billing.documents.verifier.tariff import Tariff
from billing.rating import NO_FACTS, PairedRating, TariffSpan, Usage, rate_pair
from billing.tariffs import canonical, parse
from tests.billing.statement_documents.drawn import Case, cases
from tests.billing.strategies import documents, usages


def read(case: Case) -> tuple[Bill, Bill]:
    """With and without the node, from what a bundle would carry."""
    period, facts = case.usage.period, case.facts.as_json()
    quarters = wall_clock(clock_of(period), period.interval_count)
    tariffs = [
        (Tariff(loaded(document)), span.start, span.end)
        for document, span in zip(case.documents, case.spans, strict=True)
    ]
    cycle = (case.facts.cycle_start or period.start, case.facts.cycle_end or period.end)
    spans = spans_of(tariffs, quarters, cycle)
    assert case.usage.solar_wh is not None
    channels = {
        "site_import": case.usage.site_import_wh.tolist(),
        "site_export": case.usage.site_export_wh.tolist(),
        "node": case.usage.node_wh.tolist(),
        "solar": case.usage.solar_wh.tolist(),
    }
    with_node = Bill(spans, quarters, channels, facts["with_node"], with_node=True)
    return with_node, Bill(spans, quarters, channels, facts["without_node"], with_node=False)


def loaded(document: dict[str, object]) -> dict[str, object]:
    """Through the bytes of the bundle's file."""
    found: dict[str, object] = json.loads(canonical(document), parse_float=Fraction)
    return found


def compare(pair: PairedRating, bills: tuple[Bill, Bill]) -> None:
    for rating, bill in zip((pair.with_node, pair.without_node), bills, strict=True):
        ours = [
            (
                *(str(s.component), s.span, s.period, s.tier, s.unit, s.label, s.days, s.of_days),
                *(Fraction(value) for value in (s.quantity, s.rate, s.exact)),
            )
            for s in rating.segments
        ]
        theirs = [
            (s.component, s.span, s.period, s.tier, s.unit, s.label, s.days, s.of_days, s.quantity, s.rate, s.exact)
            for s in bill.segments
        ]
        assert ours == theirs


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_every_segment_and_every_line_is_the_engines(case: Case) -> None:
    pair = rate_pair(case.usage, case.spans, case.facts)
    bills = read(case)
    compare(pair, bills)
    rounds_each = any(document["rounding"] == "line" for document in case.documents)
    theirs = settling.bill_lines(bills[0].segments, bills[1].segments, rounds_each=rounds_each)
    ours = bill_lines(pair, case.spans)
    assert [(line.label, line.with_cents, line.without_cents) for line in ours] == [
        (line["label"], line["with_cents"], line["without_cents"]) for line in theirs
    ]
    assert [number(str(line.quantity_with)) for line in ours] == [line["quantity_with"] for line in theirs]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents(), usages())
def test_the_tariffs_of_the_engines_own_tests(document: dict[str, object], usage: Usage) -> None:
    spans = (TariffSpan(parse(document), usage.period.start, usage.period.end),)
    compare(rate_pair(usage, spans), read(Case(usage, (document,), spans, NO_FACTS)))
