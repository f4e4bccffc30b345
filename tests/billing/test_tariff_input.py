"""Tariff documents as they come: days in two fashions, noise of binary fractions, and anything at all in any field."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from billing.tariffs import UnsupportedTariff, check, end_of, parse, seed_document, start_of
from billing.tariffs.checks import RATED, TOLD
from billing.tariffs.fields import MOST_PROBLEMS
from xfra_portal.desk.forms import MOST_TARIFF_BYTES, TariffForm

DAYS: Final = [
    ("2026-04-01", date(2026, 4, 1)),
    ("2026-04-01T00:00:00-07:00", date(2026, 4, 1)),
    (1_767_225_600, date(2026, 1, 1)),
    (1_767_225_599, date(2025, 12, 31)),
    ("1383199200", date(2013, 10, 31)),
    (1_767_225_600.0, date(2026, 1, 1)),
    (1_767_225_600_000, None),
    (-1, None),
    (True, None),
    (float("nan"), None),
    (float("inf"), None),
    (None, None),
    ("soon", None),
    ([], None),
]


@pytest.mark.parametrize(("value", "on"), DAYS, ids=str)
def test_days_are_dates_or_seconds(value: object, on: date | None) -> None:
    assert start_of({"startdate": value}) == end_of({"enddate": value}) == on


def test_the_form_takes_a_document_as_the_database_of_rates_answers() -> None:
    document = {**seed_document("srp-e-26-tou"), "startdate": 1_767_225_600}
    form = TariffForm({"text": json.dumps({"items": [document]})})
    assert form.is_valid(), form.errors
    assert form.cleaned_data["valid_from"] == date(2026, 1, 1)


@pytest.mark.parametrize("field", ["file", "text"])
def test_a_document_that_is_too_large_is_refused_whole(field: str) -> None:
    """It was cut off, and then called no JSON."""
    body = json.dumps({**seed_document("srp-e-26-tou"), "description": "x" * MOST_TARIFF_BYTES})
    files = {"file": SimpleUploadedFile("t.json", body.encode())} if field == "file" else {}
    form = TariffForm({} if files else {"text": body}, files)
    assert not form.is_valid() and set(form.errors) == {field}
    assert "400" in form.first_error


@pytest.mark.parametrize(
    ("rate", "meant"),
    [(0.10700000000000001, "Write 0.107,"), (0.30000000000000004, "Write 0.3,"), (0.1234567890123, "as the utility's")],
)
def test_noise_of_binary_fractions_names_the_number_that_was_meant(rate: float, meant: str) -> None:
    document = seed_document("srp-e-26-tou")
    document["fixedchargefirstmeter"] = rate
    (problem,) = check(document)
    assert problem.field == "fixedchargefirstmeter" and meant in problem.remedy


EVIL: Final[list[Any]] = [
    5,
    -1,
    1e308,
    "x",
    "x" * 100_000,
    [],
    [[]],
    [5],
    [None] * 12,
    {},
    {"x": {}},
    True,
    [[{}]],
    [{}],
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of everything inside, lists by their first element."""
    if isinstance(value, dict):
        for key in list(value):
            yield value, key
            yield from places(value[key])
    elif isinstance(value, list) and value:
        yield value, 0
        yield from places(value[0])


@pytest.mark.parametrize("evil", EVIL, ids=lambda value: str(value)[:12])
def test_whatever_stands_anywhere_is_a_problem_or_fine_and_never_an_error(evil: Any) -> None:
    """At every place of a document that has all fields."""
    full = copy.deepcopy(seed_document("nevada-power-ors-tou"))
    full |= {
        "holidays": {"treated_as": "weekend", "days": ["labor_day"], "observed": "actual", "dates": ["2026-12-24"]},
        "riders": [{"name": "r", "rate": 0.01, "on": ["energy"], "months": [1]}],
        "taxes": [{"name": "t", "per_kwh": 0.01}],
        "credits": [{"name": "c", "per_day": 0.01}],
        "proration": {"fixed": "days"},
    }
    full |= {name: full.get(name, copy.deepcopy(evil)) for name in RATED | TOLD}
    for container, key in list(places(full)):
        held, container[key] = container[key], copy.deepcopy(evil)
        problems = check(full)
        container[key] = held
        assert len(problems) <= MOST_PROBLEMS
        assert all(problem.remedy and len(problem.field) + len(problem.message) < 500 for problem in problems)


def test_a_document_of_many_faults_names_some_of_them() -> None:
    document = {**seed_document("srp-e-26-tou"), **{f"x{n}": n for n in range(100_000)}}
    assert len(check(document)) == MOST_PROBLEMS
    with pytest.raises(UnsupportedTariff) as caught:
        parse({**seed_document("srp-e-26-tou"), "riders": [{}] * 10_000})
    assert "riders: 10000 entries" in str(caught.value)
