"""Every page of the desk with data and without, and what its forms do and refuse."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from billing import payouts, questions
from billing.models import (
    Agreement,
    Channel,
    DeskAction,
    Entry,
    Payout,
    Quarantine,
    Reading,
    Reconciliation,
    Source,
    Statement,
    StatementQuestion,
    TariffAssignment,
    TariffVersion,
)
from homes.access import acting_as_system
from homes.models import Home, Membership
from tests.billing import months
from tests.billing.months import APRIL, FLAT
from tests.cast import Cast, needs_database
from tests.desk.forms import errors, key, send

pytestmark = needs_database


@pytest.fixture
def clerk(cast: Cast) -> Client:
    return cast.client("billing")


@pytest.fixture
def issued(cast: Cast) -> Statement:
    """April, held harmless: the host is owed what the node added."""
    with acting_as_system():
        months.settle_in(cast.home)
        months.usual(cast.home)
        return months.issue(cast.home)


def _reread(home: Home) -> None:
    """One April day again, one watt-hour more in a quarter-hour at noon."""
    with acting_as_system():
        months.write(home, Channel.SITE_IMPORT, APRIL, [400] * 48 + [2_000] + [400] * 47)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("", "Nothing. What cannot be rated"),
        ("exceptions/", "No reading is in doubt"),
        ("homes/", "none: conclude one"),
        ("payouts/", "Nothing is owed to any host"),
        ("bills/", "No bill is entered yet"),
        ("tariffs/", "The book is empty"),
        ("questions/", "Nobody waits for an answer"),
        ("log/", "Nothing has been done here yet"),
    ],
)
def test_empty_pages_say_what_will_appear(cast: Cast, clerk: Client, place: str, said: str) -> None:
    with acting_as_system():
        from_the_start = clerk.get(f"/billing/{place}").content.decode()
    if place:
        assert said in from_the_start
    else:
        assert "The books have not been checked" in from_the_start


def test_a_tariff_is_imported_published_and_assigned(cast: Cast, clerk: Client) -> None:
    broken = {**months.document(), "energyratestructure": [[{"rate": 0.1, "unit": "parsec"}]]}
    send(clerk, "/billing/tariffs/", text=json.dumps(broken), valid_from="2026-01-01")
    with acting_as_system():
        version = TariffVersion.objects.get()
    page = clerk.get(f"/billing/tariffs/{version.pk}/").content.decode()
    assert "It cannot be published" in page and "energyratestructure[0][0].unit" in page
    assert "nergyratestructure[0][0].unit" in send(clerk, f"/billing/tariffs/{version.pk}/publish/")[1][0]

    send(clerk, "/billing/tariffs/", text=json.dumps(months.document()), valid_from="2026-01-01")
    with acting_as_system():
        better = TariffVersion.objects.get(version=2)
    said = send(clerk, f"/billing/tariffs/{better.pk}/publish/")[1][0]
    assert said.endswith("is published from 2026-01-01, and frozen.")
    send(clerk, f"/billing/homes/{cast.home.pk}/", tariff=better.tariff_id, start="2026-03-01")
    with acting_as_system():
        assert TariffAssignment.objects.get().span.lower.isoformat() == "2026-03-01"


def test_a_document_that_is_none_is_named(clerk: Client) -> None:
    answer = clerk.post("/billing/tariffs/", {"key": key(), "text": "{not json"})
    assert answer.status_code == 400
    assert any("This is no JSON" in said for said in errors(answer.content.decode()))
    answer = clerk.post("/billing/tariffs/", {"key": key()})
    assert "Give either a file or its text." in errors(answer.content.decode())


def test_an_agreement_is_read_before_it_is_concluded(cast: Cast, clerk: Client) -> None:
    address = f"/billing/homes/{cast.home.pk}/agreement/"
    terms = {
        "start": "2026-04-01",
        "utility_payer": "operator",
        "internet_payer": "operator",
        "internet": "70",
        "settlement": "flat_host_fee",
        "fee": "150.00",
        "item_to": "host",
        "due_days": "14",
        "how_paid": "By bank transfer.",
        "why": "moved in",
    }
    page = clerk.post(address, {"key": key(), "action": "preview", **terms}).content.decode()
    assert "You pay us $150.00 a month, whatever the bills are." in page
    assert "What a statement says that you owe us is due 14 days after it is issued. By bank transfer." in page
    with acting_as_system():
        assert not Agreement.objects.exists(), "read, not concluded"
    assert send(clerk, address, action="conclude", **terms)[1][0].startswith("Version 1 of the agreement")
    changed = {**terms, "start": "2026-05-01", "fee": "140"}
    page = clerk.post(address, {"key": key(), "action": "preview", **changed}).content.decode()
    assert "Against version 1" in page and "$140.00" in page
    with acting_as_system():
        assert DeskAction.objects.get().why == "moved in"


def test_a_settlement_without_its_amount_is_named(cast: Cast, clerk: Client) -> None:
    address = f"/billing/homes/{cast.home.pk}/agreement/"
    answer = clerk.post(address, {"key": key(), "settlement": "flat_host_fee", "internet": "12.345"})
    said = errors(answer.content.decode())
    assert answer.status_code == 400
    assert "A flat fee needs an amount, as 150.00." in said and "Write dollars and cents, as 812.44." in said


def test_a_correction_says_was_now_and_why(cast: Cast, clerk: Client, issued: Statement) -> None:
    here = f"/billing/statements/{issued.pk}/"
    assert "not a cent changes" in send(clerk, f"{here}correct/", why="a host asked")[1][0]
    _reread(cast.home)
    assert "known differently since this was issued" in clerk.get(here).content.decode()
    assert send(clerk, f"{here}correct/", why="no")[1] == [
        "Nothing was done. Say why in a few words: 5 characters at least."
    ]
    assert "is drafted" in send(clerk, f"{here}correct/", why="the meter was read again")[1][0]
    with acting_as_system():
        revision = Statement.objects.get(revises=issued)
    page = clerk.get(f"/billing/statements/{revision.pk}/").content.decode()
    assert "Was, now, why" in page and "the meter was read again" in page and "+$0.19" in page
    send(clerk, f"/billing/statements/{revision.pk}/issue/")
    with acting_as_system():
        revision.refresh_from_db()
        assert revision.number == issued.number + 1
        assert set(DeskAction.objects.values_list("kind", flat=True)) == {"correction_drafted", "correction_issued"}
    assert "takes its place" in clerk.get(here).content.decode()


def test_an_amount_opens_down_to_segments_and_quarter_hours(clerk: Client, issued: Statement) -> None:
    page = clerk.get(f"/billing/statements/{issued.pk}/lines/1/?day=2026-04-03").content.decode()
    assert "Segments, before rounding" in page and "1,152 kWh" in page
    assert "Quarter-hours of 3 April" in page and page.count('<tr class="here"><th scope="row">') >= 96
    assert clerk.get(f"/billing/statements/{issued.pk}/lines/99/").status_code == 404


def test_the_ledger_of_a_home_runs_to_its_balance_and_sums_to_zero(
    cast: Cast, clerk: Client, issued: Statement
) -> None:
    page = clerk.get(f"/billing/homes/{cast.home.pk}/").content.decode()
    assert "All postings of this home together: $0.00." in page
    assert "$103.68" in page  # 864 kWh at 12 cents are owed to the host


def test_payouts_go_by_file_and_a_person_says_what_became_of_them(
    clerk: Client, issued: Statement, settings: Any
) -> None:
    settings.PAYOUT_PROVIDER = ""
    assert send(clerk, "/billing/payouts/create/")[1] == ["1 payout created, $103.68 in all."]
    file = clerk.get("/billing/payouts/file")
    assert file["Content-Type"] == "text/csv" and "10368" in file.content.decode()
    assert send(clerk, "/billing/payouts/send/")[1] == ["1 payout went to the bank by file."]
    with acting_as_system():
        payout = Payout.objects.get()
        Payout.objects.update(sent_at=timezone.now() - timedelta(days=2))
    assert "Nobody knows what became of these" in clerk.get("/billing/payouts/").content.decode()
    send(clerk, f"/billing/payouts/{payout.pk}/", action="paid", why="on the bank's statement")
    with acting_as_system():
        payout.refresh_from_db()
        assert payout.state == Payout.State.PAID
    assert "not on its way" in send(clerk, f"/billing/payouts/{payout.pk}/", action="failed", why="a second look")[1][0]


def test_a_utility_bill_is_compared_explained_and_paid(cast: Cast, clerk: Client) -> None:
    with acting_as_system():
        months.settle_in(cast.home, FLAT)
        months.usual(cast.home)
        statement = months.issue(cast.home)
    bill = {"home": cast.home.pk, "number": "B-1", "start": "2026-04-01", "last": "2026-04-29", "amount": "160.00"}
    answer = clerk.post("/billing/bills/", {"key": key(), **bill})
    assert "Issued are: 2026-04-01 to 2026-04-30." in errors(answer.content.decode())[0]
    said = send(clerk, "/billing/bills/", **{**bill, "last": "2026-04-30"})[1][0]
    assert "Differs: somebody must look" in said
    with acting_as_system():
        entered = Reconciliation.objects.get()
    assert entered.computed_cents == statement.bill_with_cents
    send(clerk, f"/billing/bills/{entered.bill_id}/explain/", why="a fee of the city")
    send(clerk, f"/billing/bills/{entered.bill_id}/pay/")
    with acting_as_system():
        assert Reconciliation.objects.first().verdict == "explained"  # type: ignore[union-attr]
        assert Entry.objects.filter(kind=Entry.Kind.UTILITY_PAID).count() == 1


@pytest.mark.parametrize(("action", "state"), [("accept", "accepted"), ("discard", "discarded")])
def test_readings_in_doubt_are_decided_with_a_reason(cast: Cast, clerk: Client, action: str, state: str) -> None:
    with acting_as_system():
        months.write(cast.home, Channel.NODE, APRIL, [300] * 40 + [0] + [300] * 55, "m" * 40 + "q" + "m" * 55)
        starts = datetime(2026, 4, 1, 10, tzinfo=cast.home.zone)
        question = Quarantine.objects.create(
            home=cast.home,
            channel=Channel.NODE,
            source=Source.PANEL,
            started_at=starts,
            ended_at=starts + timedelta(minutes=15),
            wh=[5_000],
            problem="too_much",
            detail="5,000 Wh in a quarter-hour; the channel carries 4,800",
        )
    page = clerk.get("/billing/exceptions/").content.decode()
    assert "the channel carries 4,800" in page and "10:00 am to 10:15 am" in page
    address = f"/billing/exceptions/{question.pk}/"
    assert send(clerk, address, action=action)[1] == ["Nothing was done. Say why: the reason is kept."]
    send(clerk, address, action=action, why="seen on the panel itself")
    with acting_as_system():
        question.refresh_from_db()
        newest = Reading.objects.get(version=2)
    assert question.state == state and question.reason == "seen on the panel itself"
    assert newest.wh[40] == (5_000 if action == "accept" else 0)


def test_a_host_is_answered_once(cast: Cast, clerk: Client, issued: Statement) -> None:
    with acting_as_system():
        asked = questions.ask(issued, "Why so much?", cast.people["owner"].party)
    assert "Why so much?" in clerk.get("/billing/questions/").content.decode()
    send(clerk, f"/billing/questions/{asked.pk}/", text="The node ran all month.")
    assert "has an answer" in send(clerk, f"/billing/questions/{asked.pk}/", text="Another.")[1][0]
    with acting_as_system():
        assert StatementQuestion.objects.get().answer == "The node ran all month."


def test_the_utilitys_file_is_imported(cast: Cast, clerk: Client, issued: Statement) -> None:
    rows = ["start,end,usage (Wh)"]
    begin = datetime(2026, 4, 2, tzinfo=cast.home.zone)
    for quarter in range(96):
        at = begin + timedelta(minutes=15 * quarter)
        rows.append(f"{at.isoformat()},{(at + timedelta(minutes=15)).isoformat()},390")
    file = SimpleUploadedFile("april.csv", "\n".join(rows).encode())
    said = send(clerk, f"/billing/homes/{cast.home.pk}/readings/", file=file)[1][0]
    assert said.startswith("april.csv: 1 day, 1 new version of readings")
    page = clerk.get(f"/billing/homes/{cast.home.pk}/readings/2026-04/").content.decode()
    assert "Readings, April 2026" in page


def test_of_several_meters_the_clerk_names_one_and_is_told_what_was_left_out(cast: Cast, clerk: Client) -> None:
    rows = ["Meter,start,end,usage (kWh),demand (kW)"]
    for meter, kwh in (("A1", "0.39"), ("B2", "7")):
        rows += [f"{meter},2026-04-02 {hour:02}:00,2026-04-02 {hour + 1:02}:00,{kwh},1.6" for hour in range(24)]
    address = f"/billing/homes/{cast.home.pk}/readings/"

    def sent(**fields: str) -> str:
        return send(clerk, address, file=SimpleUploadedFile("two.csv", "\n".join(rows).encode()), **fields)[1][0]

    assert "several meters; choose one of: A1, B2" in sent()
    assert "no meter of that name; choose one of: A1, B2" in sent(meter="C3")
    said = sent(meter="A1")
    assert said.startswith("two.csv: 1 day, 1 new version of readings.") and "Left out: column 'demand (kW)'" in said


def test_the_log_is_append_only(cast: Cast, clerk: Client, issued: Statement) -> None:
    send(clerk, "/billing/payouts/create/")
    assert "1 payout created" in clerk.get("/billing/log/").content.decode()
    with acting_as_system():
        for change in (lambda: DeskAction.objects.update(what="nothing"), lambda: DeskAction.objects.all().delete()):
            with pytest.raises(IntegrityError), transaction.atomic():
                change()
        assert payouts.unknown() == []


def test_what_nobody_can_be_paid_needs_somebody(cast: Cast, clerk: Client, issued: Statement, settings: Any) -> None:
    """$103.68 of April is owed to a home; then nobody owns it any more."""
    settings.PAYOUT_PROVIDER = "billing.payout_provider.SimulatedProvider"
    overview, page = (clerk.get(address).content.decode() for address in ("/billing/", "/billing/payouts/"))
    assert "by a simulated provider: no money moves" in page
    assert "cannot be paid" not in overview and "cannot be paid" not in page
    with acting_as_system():
        Membership.objects.filter(home=cast.home, role=Membership.Role.OWNER).delete()
    for address in ("/billing/", "/billing/payouts/"):
        assert "$103.68 cannot be paid" in clerk.get(address).content.decode()
