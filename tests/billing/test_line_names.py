"""One name for a line of a bill on page, PDF, CSV and API, and the hours beneath it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from billing.line_names import LineName, name_lines
from billing.priced_intervals import hours_of
from billing.rating import TariffSpan
from tests.billing.documents import EVENING, hours, tariff, tiers

STEPS = {**EVENING, "tier_basis": "proportional"}
JUNE = (date(2026, 6, 1), date(2026, 7, 1))
ALL_DAY = [[0] * 24] * 12


@dataclass(frozen=True)
class Line:
    component: str
    tou_period: int | None = None
    tier: int | None = None
    label: str = "As the engine says"
    span: int | None = 0
    section: str = "electricity"


def priced(*rates: float) -> dict[str, Any]:
    """A tariff with a period for each rate, of two hours each and the rest of the day in the last."""
    edges = [(2 * number, number) for number in range(len(rates))]
    return {
        "energyratestructure": [[{"rate": rate}] for rate in rates],
        "energyweekdayschedule": hours(*edges),
        "energyweekendschedule": hours(*edges),
    }


def names(document: dict[str, Any], *lines: Line) -> list[str]:
    return [found.name for found in name_lines(lines, [TariffSpan(tariff(**document), *JUNE)])]


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ((0.1,), ["Energy"]),
        ((0.1, 0.2), ["Off-peak energy", "On-peak energy"]),
        ((0.2, 0.1), ["On-peak energy", "Off-peak energy"]),
        ((0.2, 0.1, 0.3), ["Mid-peak energy", "Off-peak energy", "On-peak energy"]),
        ((0.2, 0.1, 0.3, 0.05), ["Mid-peak energy", "Off-peak energy", "On-peak energy", "Super off-peak energy"]),
        ((0.1, 0.2, 0.3, 0.4, 0.5), [f"Price {number} of 5 energy" for number in range(1, 6)]),
        ((0.1, 0.2, 0.1), ["Off-peak energy (A)", "On-peak energy", "Off-peak energy (B)"]),
        ((0.1, 0.1), ["Energy (A)", "Energy (B)"]),
    ],
)
def test_the_cheapest_is_off_peak_and_the_dearest_on_peak(rates: tuple[float, ...], said: list[str]) -> None:
    assert names(priced(*rates), *(Line("energy", number) for number in range(len(rates)))) == said


def test_a_period_of_another_season_does_not_count() -> None:
    """Period 2, the dearest, is of the winter."""
    summer, winter = [0] * 16 + [1] * 8, [0] * 16 + [2] * 8
    table = [winter] * 5 + [summer] * 4 + [winter] * 3
    document = {
        "energyratestructure": [[{"rate": 0.1}], [{"rate": 0.2}], [{"rate": 0.9}]],
        "energyweekdayschedule": table,
        "energyweekendschedule": table,
    }
    found = name_lines([Line("energy", 0), Line("energy", 1)], [TariffSpan(tariff(**document), *JUNE)])
    assert found == [
        LineName("Off-peak energy", ("every day midnight to 4 pm",)),
        LineName("On-peak energy", ("every day 4 pm to midnight",)),
    ]


def test_steps_and_what_is_sold_and_demand() -> None:
    assert names(STEPS, Line("energy", 1, 0), Line("energy", 1, 1), Line("export", 0, None)) == [
        "On-peak energy, step 1 of 2",
        "On-peak energy, step 2 of 2",
        "Off-peak energy sold to the grid",
    ]


def test_what_no_schedule_times_keeps_its_label() -> None:
    lines = [Line("fixed", label="Basic service charge"), Line("fee", label="Your flat fee", span=None)]
    assert names(STEPS, *lines) == ["Basic service charge", "Your flat fee"]


def test_of_two_tariffs_each_line_says_its_days() -> None:
    spans = [
        TariffSpan(tariff(**STEPS), date(2026, 6, 1), date(2026, 6, 15)),
        TariffSpan(tariff(energyratestructure=[tiers(0.3)]), date(2026, 6, 15), date(2026, 7, 1)),
    ]
    lines = [Line("energy", 0, 0), Line("energy", 0, 0, span=1), Line("fixed", label="Service", span=1)]
    assert [found.name for found in name_lines(lines, spans)] == [
        "Off-peak energy, step 1 of 2, 1 Jun to 14 Jun",
        "Energy, 15 Jun to 30 Jun",
        "Service, 15 Jun to 30 Jun",
    ]


@pytest.mark.parametrize(
    ("weekday", "weekend", "said"),
    [
        ([0] * 24, [0] * 24, ("every day, all day",)),
        ([1] * 24, [0] * 24, ("weekends and holidays, all day",)),
        ([1] + [0] * 23, [1] + [0] * 23, ("every day 1 am to midnight",)),
        (
            [0] * 7 + [1] * 5 + [0] * 5 + [1] * 4 + [0] * 3,
            [0] * 24,
            ("weekdays noon to 5 pm and 9 pm to 7 am", "weekends and holidays, all day"),
        ),
    ],
)
def test_hours_in_words(weekday: list[int], weekend: list[int], said: tuple[str, ...]) -> None:
    document = priced(0.1, 0.2) | {"energyweekdayschedule": [weekday] * 12, "energyweekendschedule": [weekend] * 12}
    document["holidays"] = {"treated_as": "weekend", "days": []}
    assert hours_of(tariff(**document).schedule, 0, [6]) == said


def test_hours_that_only_some_months_have_name_them() -> None:
    table = [*ALL_DAY[:4], [0] * 16 + [1] * 8, *ALL_DAY[5:]]
    document = priced(0.1, 0.2) | {"energyweekdayschedule": table, "energyweekendschedule": table}
    assert hours_of(tariff(**document).schedule, 0, [4, 5]) == (
        "every day, all day (Apr)",
        "every day midnight to 4 pm (May)",
    )
