"""The billing desk's endpoints: the clerk's path for programs, each write once, each refusal with its reason."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from billing import closing
from billing.models import Channel, Close, DeskAction, Statement, TariffAssignment, TariffVersion
from homes.access import acting_as_system
from tests.billing import months
from tests.billing.months import APRIL
from tests.cast import Cast, needs_database

pytestmark = needs_database


def post(client: Client, path: str, body: dict[str, Any] | None = None, key: str = "") -> Any:
    return client.post(
        f"/api/v1/billing/{path}",
        body or {},
        content_type="application/json",
        headers={"Idempotency-Key": key or uuid4().hex},
    )


@pytest.fixture
def clerk(cast: Cast) -> Client:
    return cast.client("billing")


def _advance() -> None:
    with acting_as_system():
        closing.advance(Close.objects.get())


def test_from_a_tariff_to_a_correction(cast: Cast, clerk: Client) -> None:
    asked = {"utility": "Cast Energy", "name": "Plain", "document": months.document(), "valid_from": "2026-01-01"}
    version = post(clerk, "tariffs", asked).json()["made"]
    assert post(clerk, f"tariffs/{version}/publish").status_code == 201
    with acting_as_system():
        months.usual(cast.home)
        line = TariffVersion.objects.get(pk=version).tariff_id
    home = f"homes/{cast.home.pk}"
    assert post(clerk, f"{home}/tariff", {"tariff": line, "start": "2026-04-01"}).status_code == 201
    terms = {
        "start": "2026-04-01",
        "utility_payer": "host",
        "internet_payer": "operator",
        "internet_cents": 7000,
        "settlement": "hold_harmless",
        "due_days": 14,
        "how_paid": "By bank transfer.",
        "why": "moved in",
    }
    assert post(clerk, f"{home}/agreement", terms).json()["made"] == 1
    assert post(clerk, "months/2026-04/close").json()["words"] == "April 2026 is being closed: 1 home to rate."
    _advance()
    items = clerk.get("/api/v1/billing/months/2026-04/items?stage=drafted").json()["results"]
    assert [item["home"] for item in items] == [str(cast.home.pk)]
    assert post(clerk, "months/2026-04/approvals", {"items": [items[0]["id"]]}).status_code == 201
    assert post(clerk, "months/2026-04/issue").status_code == 201
    _advance()
    with acting_as_system():
        number = Statement.objects.get().number
        months.write(cast.home, Channel.SITE_IMPORT, APRIL, [410] * 96)
    drafted = post(clerk, f"statements/{number}/corrections", {"why": "read again"}).json()
    issued = post(clerk, f"corrections/{drafted['made']}/issue").json()
    assert issued["words"] == f"Statement {number + 1} is issued: it corrects statement {number}, and the host is told."
    assert post(clerk, "payouts").json()["words"] == "1 payout created, $103.68 in all."
    with acting_as_system():
        done = DeskAction.objects.order_by("pk")
        kinds, by_workers = (
            list(found.values_list("kind", flat=True)) for found in (done.filter(way="api"), done.filter(way="worker"))
        )
        assert done.count() == len(kinds) + len(by_workers)
    assert by_workers == ["rated", "statements_issued"]
    assert kinds == [
        "tariff_imported",
        "tariff_published",
        "tariff_assigned",
        "agreement_concluded",
        "close_begun",
        "approved",
        "issued",
        "correction_drafted",
        "correction_issued",
        "payouts_created",
    ]


def test_a_write_is_done_once(cast: Cast, clerk: Client) -> None:
    with acting_as_system():
        line = months.tariff()
    asked = {"tariff": line.pk, "start": "2026-04-01"}
    first = post(clerk, f"homes/{cast.home.pk}/tariff", asked, "one-and-the-same")
    again = post(clerk, f"homes/{cast.home.pk}/tariff", asked, "one-and-the-same")
    assert (first.json(), again["Idempotency-Replayed"]) == (again.json(), "true")
    with acting_as_system():
        assert TariffAssignment.objects.count() == DeskAction.objects.count() == 1


def test_what_cannot_be_done_says_why(cast: Cast, clerk: Client) -> None:
    this_month = post(clerk, "months/2099-01/close")
    assert (this_month.status_code, this_month["Content-Type"]) == (409, "application/problem+json")
    assert this_month.json()["type"] == "/api/v1/docs/#problem-in-the-way"
    assert "is not over in" in this_month.json()["detail"]
    assert post(clerk, "payouts").json()["detail"] == "Nothing is due that could be paid out."
    broken = months.document(energyratestructure=[[{"rate": 0.1, "unit": "parsec"}]])
    asked = {"utility": "Cast Energy", "name": "Odd", "document": broken, "valid_from": "2026-01-01"}
    version = post(clerk, "tariffs", asked).json()["made"]
    assert "nergyratestructure[0][0].unit" in post(clerk, f"tariffs/{version}/publish").json()["detail"]
    bill = {"number": "B-1", "start": "2026-04-01", "end": "2026-05-01", "cents": 12_000}
    assert "no statement is issued" in post(clerk, f"homes/{cast.home.pk}/bills", bill).json()["detail"].lower()
    with acting_as_system():
        assert DeskAction.objects.count() == 1, "what was refused is not in the log as done"


def test_fields_are_named(cast: Cast, clerk: Client) -> None:
    terms = {
        "start": "soon",
        "utility_payer": "nobody",
        "settlement": "flat_host_fee",
        "internet_cents": -1,
        "due_days": 0,
    }
    answer = post(clerk, f"homes/{cast.home.pk}/agreement", terms)
    assert answer.status_code == 400
    assert {
        "start",
        "utility_payer",
        "internet_payer",
        "internet_cents",
        "due_days",
        "how_paid",
        "why",
    } <= answer.json()["errors"].keys()
    whole = {
        "start": "2026-04-01",
        "utility_payer": "host",
        "internet_payer": "host",
        "internet_cents": 0,
        "settlement": "flat_host_fee",
        "due_days": 14,
        "how_paid": "By bank transfer.",
        "why": "moved in",
    }
    assert "fee_cents" in post(clerk, f"homes/{cast.home.pk}/agreement", whole).json()["errors"]


@pytest.mark.parametrize("person", ["owner", "member", "viewer", "outsider", "operator", "technician"])
def test_to_everybody_else_it_does_not_exist(cast: Cast, person: str) -> None:
    client = cast.client(person)
    for path in ("months/2026-04/close", "payouts", "tariffs", f"homes/{cast.home.pk}/agreement", "bills/1/payment"):
        assert post(client, path).status_code == 404, path
    with acting_as_system():
        assert not Close.objects.exists() and not DeskAction.objects.exists()
