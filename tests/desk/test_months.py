"""Closing a month from the desk: what the pages say, and that each decision is taken once and logged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing import closing, heartbeat
from billing.models import Close, DeskAction, Statement
from homes.access import acting_as_system
from homes.models import Home
from tests.billing import months
from tests.billing.months import APRIL
from tests.cast import Cast, needs_database
from tests.desk.forms import key, send
from xfra_portal.desk import month_figures

pytestmark = needs_database
PAGE = "/billing/months/2026-04/"


@pytest.fixture
def clerk(cast: Cast) -> Client:
    with acting_as_system():
        months.settle_in(cast.home)
        months.usual(cast.home)
        Home.objects.update(created_at=datetime(2026, 1, 1, tzinfo=UTC))
    return cast.client("billing")


def _advance() -> None:
    with acting_as_system():
        closing.advance(Close.objects.get())


def test_from_readings_to_an_issued_statement(cast: Cast, clerk: Client) -> None:
    assert "Begin the close" in clerk.get(PAGE).content.decode()
    assert send(clerk, f"{PAGE}begin/") == (302, ["April 2026 is being closed: 1 home to rate."])
    _advance()
    page = clerk.get(PAGE).content.decode()
    assert "Approve all 1" in page and "preview" in page
    with acting_as_system():
        draft = Statement.objects.get()
    preview = clerk.get(f"/billing/statements/{draft.pk}/").content.decode()
    assert "the host sees nothing of it" in preview and "Approve this statement" in preview
    send(clerk, f"{PAGE}approve/", action="approve_all")
    _advance()
    with acting_as_system():
        assert Statement.objects.get().number is None, "approved is not issued"
    send(clerk, f"{PAGE}issue/")
    _advance()
    with acting_as_system():
        issued = Statement.objects.get()
        kinds = list(DeskAction.objects.order_by("pk").values_list("kind", "by__user__email"))
    assert issued.number and issued.issued_by_id == cast.people["billing"].party_id
    clerk_email = "billing@cast.example"
    assert kinds == [
        ("close_begun", clerk_email),
        ("rated", None),
        ("approved", clerk_email),
        ("issued", clerk_email),
        ("statements_issued", clerk_email),
    ]


def test_what_workers_do_while_a_page_is_made_lets_it_look_again(
    cast: Cast, clerk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never offers to approve what its rows do not show, and then stands still."""
    send(clerk, f"{PAGE}begin/")
    rows_of = month_figures.item_rows

    def meanwhile(*asked: Any) -> Any:
        rows = rows_of(*asked)
        _advance()
        return rows

    monkeypatch.setattr(month_figures, "item_rows", meanwhile)
    page = clerk.get(PAGE).content.decode()
    assert "data-refresh" in page and "Approve all" not in page and "preview" not in page
    page = clerk.get(PAGE).content.decode()
    assert "data-refresh" not in page and "Approve all 1" in page and "preview" in page


def test_a_form_that_is_sent_twice_is_done_once(cast: Cast, clerk: Client) -> None:
    once = key()
    assert send(clerk, f"{PAGE}begin/", key=once)[1][0].startswith("April 2026 is being closed")
    assert send(clerk, f"{PAGE}begin/", key=once)[1][0].startswith("Done before, and not done twice")
    assert send(clerk, f"{PAGE}approve/", key=once, action="approve_all")[1] == [
        "Nothing was done: this form was sent before with other values."
    ]
    with acting_as_system():
        assert DeskAction.objects.count() == 1


def test_a_form_without_its_key_does_nothing(clerk: Client) -> None:
    assert send(clerk, f"{PAGE}begin/", key="no key")[1] == [
        "Nothing was done: the form was not whole. Here it is anew."
    ]
    with acting_as_system():
        assert not Close.objects.exists()


def test_a_form_needs_its_csrf_token(cast: Cast) -> None:
    client = cast.client("billing", enforce_csrf_checks=True)
    assert client.post(f"{PAGE}begin/", {"key": key()}).status_code == 403


def test_what_is_held_says_why_and_where_to_help(cast: Cast, clerk: Client) -> None:
    send(clerk, f"{PAGE}begin/")
    _advance()
    page = clerk.get(f"{PAGE}?stage=held").content.decode()
    assert "No agreement is in force" in page
    assert f"/billing/homes/{cast.other_home.pk}/agreement/" in page
    assert cast.home.name not in page


def test_approval_can_be_taken_back_until_it_is_issued(clerk: Client) -> None:
    send(clerk, f"{PAGE}begin/")
    _advance()
    send(clerk, f"{PAGE}approve/", action="approve_all")
    with acting_as_system():
        item = Close.objects.get().items.get(stage="reviewed")
    assert send(clerk, f"{PAGE}approve/", action="take_back", item=item.pk)[1] == [
        "1 statement of April 2026 taken back: a draft again."
    ]
    assert send(clerk, f"{PAGE}issue/")[1] == ["Nothing was done. Nothing is approved: approve drafts first."]


def test_stopped_workers_are_said(clerk: Client) -> None:
    with acting_as_system():
        closing.begin(APRIL)
    heartbeat.beat()
    assert "Rating: 1 to go" in clerk.get(f"{PAGE}progress/").content.decode()
    heartbeat.cache.delete(heartbeat._KEY)
    said = clerk.get(f"{PAGE}progress/").content.decode()
    assert "No worker is at work on billing" in said and "Stopped: 1 to rate" in said


def test_a_month_that_still_runs_cannot_be_begun(clerk: Client) -> None:
    this = f"/billing/months/{timezone.now():%Y-%m}/"
    assert "This month still runs" in clerk.get(this).content.decode()
    assert "is not over in" in send(clerk, f"{this}begin/")[1][0]
