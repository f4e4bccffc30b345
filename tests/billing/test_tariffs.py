"""What can be published, what is refused and where, and one form of bytes for equal documents."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from billing.tariffs import UnsupportedTariff, canonical, check, parse, seed_document, seed_names, sha256
from billing.tariffs.document import (
    Charge,
    ChargeUnit,
    ExportRule,
    Holidays,
    Netting,
    Proration,
    Rounding,
    Surplus,
    TierBasis,
)
from billing.tariffs.holidays import RULES, days_between
from tests.billing.documents import ALWAYS, document, hours, tariff, tiers

TIERED = {"energyratestructure": [tiers((350, 0.12), 0.18)], "tier_basis": "proportional"}
FLAT_DEMAND = {"flatdemandstructure": [[{"rate": 9.25}]], "flatdemandmonths": [0] * 12, "demandwindow": 15}
TWO_PERIODS = {
    "energyratestructure": [[{"rate": 0.1}], [{"rate": 0.3}]],
    "energyweekdayschedule": hours((0, 0), (16, 1)),
}

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"name": None}, "name"),
    ({"utility": "  "}, "utility"),
    ({"energyratestructure": None}, "energyratestructure"),
    ({"energyratestructure": []}, "energyratestructure"),
    ({"energyratestructure": [[]]}, "energyratestructure"),
    ({"energyratestructure": [[{"rate": "0.12"}]]}, "energyratestructure[0][0].rate"),
    ({"energyratestructure": [[{"rate": True}]]}, "energyratestructure[0][0].rate"),
    ({"energyratestructure": [[{"rate": float("inf")}]]}, "document"),
    ({"energyratestructure": [[{"adj": 0.01}]]}, "energyratestructure[0][0].rate"),
    ({"energyratestructure": [[{"rate": 0.1, "max": 350}]]}, "energyratestructure[0][0].max"),
    ({**TIERED, "energyratestructure": [[{"rate": 0.1}, {"rate": 0.2}]]}, "energyratestructure[0][0].max"),
    ({**TIERED, "energyratestructure": [tiers((350, 0.1), (350, 0.2), 0.3)]}, "energyratestructure[0][1].max"),
    ({"energyratestructure": [[{"rate": 0.1, "unit": "kWh/hp"}]]}, "energyratestructure[0][0].unit"),
    (
        {**TIERED, "energyratestructure": [[{"rate": 0.1, "max": 9, "unit": "kWh daily"}, {"rate": 0.2}]]},
        "energyratestructure[0][1].unit",
    ),
    ({"energyratestructure": [[{"rate": 0.1, "rates": 0.2}]]}, "energyratestructure[0][0].rates"),
    (
        {**TIERED, "energyratestructure": [[{"rate": 0.1, "max": 9, "sell": 0.1}, {"rate": 0.2, "sell": 0.2}]]},
        "energyratestructure[0][1].sell",
    ),
    ({**TIERED, "tier_basis": None}, "tier_basis"),
    ({**TIERED, "tier_basis": "average"}, "tier_basis"),
    ({**TIERED, "proration": None}, "proration.tiers"),
    (
        {**TWO_PERIODS, **TIERED, "energyratestructure": [tiers((350, 0.1), 0.2), tiers((400, 0.1), 0.2)]}
        | {"energyweekendschedule": TWO_PERIODS["energyweekdayschedule"]},
        "energyratestructure",
    ),
    (
        {**TIERED, "tier_basis": "chronological", "export_rule": "net_metering", "export_surplus": "carry"},
        "tier_basis",
    ),
    ({"energyweekdayschedule": [[0] * 24] * 11}, "energyweekdayschedule"),
    ({"energyweekdayschedule": [[0] * 23] * 12}, "energyweekdayschedule"),
    ({"energyweekendschedule": [[1] * 24] * 12}, "energyweekendschedule[0][0]"),
    (TWO_PERIODS, "holidays"),
    ({"holidays": {"days": ["labor_day"]}}, "holidays.treated_as"),
    ({"holidays": {"treated_as": "weekend", "days": ["labor_day"]}}, "holidays.observed"),
    ({"holidays": {"treated_as": "weekend", "days": ["boxing_day"], "observed": "actual"}}, "holidays.days[0]"),
    ({"holidays": {"treated_as": "weekend", "dates": ["4 July"]}}, "holidays.dates[0]"),
    ({"holidays": {"treated_as": "weekend", "date": []}}, "holidays.date"),
    ({"fixedchargefirstmeter": 18}, "fixedchargeunits"),
    ({"fixedchargefirstmeter": 18, "fixedchargeunits": "$/week"}, "fixedchargeunits"),
    ({"fixedchargefirstmeter": -1, "fixedchargeunits": "$/month"}, "fixedchargefirstmeter"),
    ({"fixedchargefirstmeter": 18, "fixedchargeunits": "$/month", "proration": None}, "proration.fixed"),
    ({"mincharge": 10, "minchargeunits": "$/month", "proration": {"fixed": "days"}}, "proration.minimum"),
    ({"mincharge": 10, "minchargeunits": "$/month", "minmonthlycharge": 10}, "minmonthlycharge"),
    ({"proration": "weeks"}, "proration.fixed"),
    ({"proration": {"taxes": "days"}}, "proration.taxes"),
    ({"proration": 30}, "proration"),
    ({"rounding": "never"}, "rounding"),
    ({**FLAT_DEMAND, "demandwindow": None}, "demandwindow"),
    ({**FLAT_DEMAND, "demandwindow": 20}, "demandwindow"),
    ({**FLAT_DEMAND, "demandwindow": 30}, "demand_window"),
    ({**FLAT_DEMAND, "flatdemandmonths": [0] * 11}, "flatdemandmonths"),
    ({**FLAT_DEMAND, "flatdemandmonths": [1] * 12}, "flatdemandmonths[0]"),
    ({**FLAT_DEMAND, "flatdemandunit": "kVA"}, "flatdemandunit"),
    ({**FLAT_DEMAND, "flatdemandunit": "kW daily"}, "flatdemandunit"),
    ({**FLAT_DEMAND, "proration": None}, "proration.demand"),
    ({"demandratestructure": [[{"rate": 1}]], "demandwindow": 15}, "demandweekdayschedule"),
    (
        {"energyratestructure": [[{"rate": 0.1, "max": 200, "unit": "kWh/kW"}, {"rate": 0.2, "unit": "kWh/kW"}]]}
        | {"tier_basis": "proportional"},
        "demandwindow",
    ),
    ({**FLAT_DEMAND, "demandratchetpercentage": [0.8] * 12}, "lookbackrange"),
    ({**FLAT_DEMAND, "demandratchetpercentage": [80] * 12, "lookbackrange": 11}, "demandratchetpercentage"),
    ({**FLAT_DEMAND, "lookbackPercent": 0.8, "lookbackRange": 60}, "lookbackrange"),
    (
        {**FLAT_DEMAND, "lookbackPercent": 0.8, "lookbackRange": 11, "demandratchetpercentage": [0.8] * 12},
        "lookbackpercent",
    ),
    (
        {"demandratestructure": [[{"rate": 1}]], "demandweekdayschedule": ALWAYS, "demandweekendschedule": ALWAYS}
        | {"demandwindow": 15, "lookbackPercent": 0.8, "lookbackRange": 11},
        "flatdemandstructure",
    ),
    ({"coincidentratestructure": [[{"rate": 5}]]}, "coincidentratestructure"),
    ({"demandreactivepowercharge": 0.25}, "demandreactivepowercharge"),
    ({"export_rule": None}, "dgrules"),
    ({"export_rule": None, "dgrules": "Feed-in"}, "dgrules"),
    ({"export_rule": "net_billing", "dgrules": "Net Metering"}, "export_rule"),
    ({"export_rule": "net_billing"}, "export_rate"),
    ({"export_rule": "net_metering"}, "export_surplus"),
    ({"export_rule": "net_metering", "export_surplus": "credit"}, "export_rate"),
    ({"riders": {"name": "Fuel"}}, "riders"),
    ({"riders": [{"per_kwh": 0.01}]}, "riders[0].name"),
    ({"riders": [{"name": "Fuel"}]}, "riders[0]"),
    ({"riders": [{"name": "Fuel", "per_kwh": 0.01, "per_day": 1}]}, "riders[0]"),
    ({"riders": [{"name": "Fuel", "per_kwh": 0.01, "months": [13]}]}, "riders[0].months"),
    ({"riders": [{"name": "Fuel", "per_kwh": 0.01, "month": [1]}]}, "riders[0].month"),
    ({"riders": [{"name": "Fuel", "rate": 0.01, "on": ["tax"]}]}, "riders[0].on"),
    ({"taxes": [{"name": "City", "rate": 0.02}]}, "taxes[0].on"),
    ({"credits": [{"name": "Climate", "rate": 0.02, "on": ["energy"]}]}, "credits[0].rate"),
    ({"credits": [{"name": "Climate", "per_month": -30}]}, "credits[0]"),
    ({"fueladjustmentsmonthly": [0.01] * 11}, "fueladjustmentsmonthly"),
    ({"energyattrs": [{"Surcharge": "varies"}]}, "energyattrs"),
    ({"usenetmetering": True}, "usenetmetering"),
    ({"fixedmonthlycharge": 18}, "fixedmonthlycharge"),
    ({"teir_basis": "proportional"}, "teir_basis"),
]


@pytest.mark.parametrize(("changes", "field"), REFUSED, ids=[f"{field} {n}" for n, (_, field) in enumerate(REFUSED)])
def test_what_rating_does_not_understand_is_refused_with_its_place_and_a_remedy(
    changes: dict[str, Any], field: str
) -> None:
    problems = check(document(**changes))
    assert field in [problem.field for problem in problems]
    assert all(problem.message and problem.remedy for problem in problems)
    with pytest.raises(UnsupportedTariff) as refused:
        parse(document(**changes))
    assert refused.value.problems == tuple(problems)


def test_a_wrong_field_is_the_only_problem_that_is_told() -> None:
    assert [problem.field for problem in check(document(rounding="never"))] == ["rounding"]


@pytest.mark.parametrize("value", [None, [], "text", 5, {"a": 1}, [[None]], [[{}]], -1, [["x"] * 24] * 12])
@pytest.mark.parametrize(
    "field",
    [
        "energyratestructure",
        "energyweekdayschedule",
        "flatdemandstructure",
        "flatdemandmonths",
        "demandratestructure",
        "demandweekendschedule",
        "lookbackmonths",
        "lookbackrange",
        "demandwindow",
        "holidays",
        "proration",
        "taxes",
        "riders",
        "credits",
        "dgrules",
        "rounding",
        "mincharge",
        "fixedchargefirstmeter",
        "fueladjustmentsmonthly",
        "export_rate",
    ],
)
def test_check_never_fails_whatever_a_field_holds(field: str, value: Any) -> None:
    changed = {**document(**FLAT_DEMAND, lookbackpercent=0.8, lookbackrange=11), field: value}
    assert isinstance(check(changed), list)


def test_an_empty_document_names_everything_that_is_missing() -> None:
    fields = {problem.field for problem in check({})}
    assert {"name", "utility", "energyratestructure", "energyweekdayschedule", "dgrules"} <= fields


def test_numbers_are_meant_as_they_are_written() -> None:
    parsed = tariff(energyratestructure=[[{"rate": 0.1, "adj": 0.2}]])
    assert parsed.energy[0].tiers[0].rate == Decimal("0.3")
    assert parsed == tariff(energyratestructure=[[{"rate": Decimal("0.10"), "adj": Decimal("0.200")}]])


def test_what_the_standard_says_is_understood() -> None:
    parsed = tariff(
        **TIERED,
        **FLAT_DEMAND,
        export_rule=None,
        dgrules="Net Billing Hourly",
        export_rate=0.05,
        fixedchargefirstmeter=0.458,
        fixedchargeunits="$/day",
        mincharge=120,
        minchargeunits="$/year",
        lookbackPercent=0.8,
        lookbackMonths=[False] * 5 + [True] * 4 + [False] * 3,
        rounding="line",
    )
    assert parsed.tier_basis is TierBasis.PROPORTIONAL
    assert (parsed.export.rule, parsed.export.netting) == (ExportRule.NET_BILLING, Netting.HOURLY)
    assert parsed.fixed == Charge(Decimal("0.458"), ChargeUnit.DAY)
    assert (parsed.minimum, parsed.annual_minimum) == (None, Decimal(120))
    assert parsed.demand is not None and parsed.demand.ratchet is not None
    assert parsed.demand.ratchet.shares == (Decimal("0.8"),) * 12
    assert sum(parsed.demand.ratchet.months) == 4
    assert parsed.proration.tiers is Proration.DAYS
    assert parsed.rounding is Rounding.LINE
    assert parsed.energy[0].sell == Decimal("0.05")


def test_net_metering_says_what_becomes_of_surplus() -> None:
    parsed = tariff(export_rule=None, dgrules="Net Metering", export_surplus="carry")
    assert (parsed.export.rule, parsed.export.surplus) == (ExportRule.NET_METERING, Surplus.CARRY)


def test_equal_documents_have_equal_bytes() -> None:
    one = document(fixedchargefirstmeter=18.0, fixedchargeunits="$/month", export_rate=1e-05)
    two = json.loads(json.dumps(dict(reversed(one.items()))))
    three = json.loads(json.dumps(one), parse_float=Decimal) | {"fixedchargefirstmeter": 18}
    assert canonical(one) == canonical(two) == canonical(three)
    assert sha256(one) == sha256(three) != sha256(document(fixedchargefirstmeter=18.01, fixedchargeunits="$/month"))
    assert b'"export_rate":0.00001' in canonical(one)
    assert b'"fixedchargefirstmeter":18,' in canonical(one)
    assert json.loads(canonical(one)) == one


@pytest.mark.parametrize("name", seed_names())
def test_seeds_can_be_published(name: str) -> None:
    assert check(seed_document(name)) == []
    assert parse(seed_document(name)).fixed is not None


def test_there_are_four_seeds_and_no_fifth() -> None:
    assert seed_names() == ["aps-r-tou-e", "nevada-power-ors-tou", "nevada-power-rs", "srp-e-26-tou"]
    with pytest.raises(KeyError):
        seed_document("../../settings")


@pytest.mark.parametrize(
    ("rule", "observed", "year", "kept"),
    [
        ("new_years_day", "actual", 2026, date(2026, 1, 1)),
        ("martin_luther_king_day", "actual", 2026, date(2026, 1, 19)),
        ("presidents_day", "actual", 2026, date(2026, 2, 16)),
        ("memorial_day", "actual", 2026, date(2026, 5, 25)),
        ("independence_day", "actual", 2026, date(2026, 7, 4)),
        ("independence_day", "sunday_to_monday", 2026, date(2026, 7, 4)),
        ("independence_day", "nearest_weekday", 2026, date(2026, 7, 3)),
        ("independence_day", "sunday_to_monday", 2027, date(2027, 7, 5)),
        ("labor_day", "actual", 2026, date(2026, 9, 7)),
        ("thanksgiving", "actual", 2026, date(2026, 11, 26)),
        ("day_after_thanksgiving", "actual", 2026, date(2026, 11, 27)),
        ("cesar_chavez_day", "nearest_weekday", 2029, date(2029, 3, 30)),
        ("new_years_day", "nearest_weekday", 2021, date(2021, 12, 31)),
    ],
)
def test_holidays(rule: str, observed: str, year: int, kept: date) -> None:
    assert kept in days_between(Holidays((rule,), observed), date(year, 1, 1), date(year + 1, 1, 1))


def test_every_holiday_is_once_a_year() -> None:
    for rule in RULES:
        assert len(days_between(Holidays((rule,)), date(2026, 1, 1), date(2027, 1, 1))) == 1
