"""The pages about money: who sees any, what they say with data and without, and that they cost few queries."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing import agreements, corrections, payouts, questions, statements
from billing.models import Channel, Payout, Statement, StatementQuestion
from homes.access import acting_as_system
from homes.models import Home
from tests.billing.months import read, settle_in
from tests.cast import Cast, needs_database
from tests.portal.money import billed, months, today
from xfra_portal.formats import dollars

pytestmark = needs_database
HOUSEHOLD_PAGES = ("electricity/month/", "electricity/month/lines/1/", "statements/", "statements/{n}/",
                   "statements/{n}/lines/1/")  # fmt: skip
OWNER_PAGES = ("agreement/", "payouts/")
MONEY = re.compile(r"\$\d|[Ss]tatement|agreement")


def page(cast: Cast, name: str, path: str = "", status: int = 200) -> str:
    answer = cast.client(name).get(f"/homes/{cast.home.pk}/{path}")
    assert answer.status_code == status, path
    return re.sub(r"\s+", " ", answer.content.decode())


@pytest.mark.parametrize("path", [*HOUSEHOLD_PAGES, *OWNER_PAGES])
def test_who_sees_money(cast: Cast, path: str) -> None:
    number = billed(cast.home)[1].number
    for name in ("viewer", "outsider", "operator", "operator_viewer", "technician"):
        page(cast, name, path.format(n=number), 404)
    page(cast, "member", path.format(n=number), 404 if path in OWNER_PAGES else 200)
    for name in ("owner", "billing", "admin"):
        page(cast, name, path.format(n=number))


@pytest.mark.parametrize(
    ("name", "path", "said"),
    [
        ("viewer", "statements/", "shares power, internet and battery of this home with you, and not its money"),
        ("viewer", "agreement/", "shares power, internet and battery of this home with you, and not its money"),
        ("member", "agreement/", "The agreement and the payouts are between the owner and us."),
        ("member", "payouts/", "The agreement and the payouts are between the owner and us."),
        ("outsider", "statements/", "There is nothing at this address, or it is not yours to see."),
        ("operator", "statements/", "There is nothing at this address, or it is not yours to see."),
    ],
)
def test_the_household_is_told_what_is_not_shared(cast: Cast, name: str, path: str, said: str) -> None:
    billed(cast.home)
    assert said in page(cast, name, path, 404)


def test_a_member_is_told_why_there_is_no_agreement(cast: Cast) -> None:
    billed(cast.home)
    assert "The agreement and the payouts are the owner&#x27;s to see." in page(cast, "member", "statements/").replace(
        "'", "&#x27;"
    )
    assert "the owner's to see" not in page(cast, "owner", "statements/")


@pytest.mark.parametrize("path", ["", "electricity/"])
@pytest.mark.parametrize("name", ["viewer", "operator", "technician"])
def test_to_who_sees_no_money_the_pages_do_not_mention_it(cast: Cast, name: str, path: str) -> None:
    billed(cast.home)
    assert not MONEY.search(page(cast, name, path).split("<main", 1)[1])


@pytest.mark.parametrize("name", ["owner", "member"])
def test_the_month_on_home_and_electricity(cast: Cast, name: str) -> None:
    billed(cast.home)
    for path in ("", "electricity/"):
        text = page(cast, name, path)
        for words in ("You pay", "We pay", "You save", "not final"):
            assert words in text


def test_a_statement_says_who_paid_what_to_the_cent(cast: Cast) -> None:
    statement = billed(cast.home)[1]
    text = page(cast, "owner", f"statements/{statement.number}/")
    for cents in (statement.you_pay_cents, statement.we_pay_cents, statement.saved_cents,
                  statement.bill_with_cents, statement.bill_without_cents, statement.node_cents):  # fmt: skip
        assert dollars(cents) in text
    assert "weekdays 2 pm to 8 pm" in text
    assert f"All {statement.period.interval_count:,} quarter-hours were measured." in text
    for words in ("Your home&#x27;s use", "add up to the cent"):
        assert words in text


def test_a_line_opens_down_to_its_quarter_hours(cast: Cast) -> None:
    statement = billed(cast.home)[1]
    with acting_as_system():
        line = statement.lines.get(component="energy", tou_period=1)
    path = f"statements/{statement.number}/lines/{line.ordinal}/"
    text = page(cast, "member", path)
    assert "$0.30 a kWh" in text
    (first, *_) = re.findall(r"\?day=([\d-]+)#", text)
    opened = page(cast, "member", f"{path}?day={first}")
    assert opened.count('<tr class="here"><th scope="row" class="clock">') >= 24
    assert ">0.500<" in opened and ">0.120<" in opened
    page(cast, "member", f"{path}?day=2001-01-01", 404)
    page(cast, "member", f"{path}?day=2001-13-99", 404)
    page(cast, "member", f"statements/{statement.number}/lines/99/", 404)


def test_the_months_lines_open_as_well(cast: Cast) -> None:
    billed(cast.home)
    if today(cast.home).day == 1:
        assert "appears here tomorrow" in page(cast, "owner", "electricity/month/")
        return
    text = page(cast, "owner", "electricity/month/")
    for ordinal in re.findall(r"month/lines/(\d+)/", text):
        page(cast, "owner", f"electricity/month/lines/{ordinal}/")


def test_another_homes_statement_is_not_found_under_mine(cast: Cast) -> None:
    with acting_as_system():
        settle_in(cast.other_home)
    number = billed(cast.home)[0].number
    assert cast.client("outsider").get(f"/homes/{cast.other_home.pk}/statements/{number}/").status_code == 404
    assert cast.client("outsider").get(f"/homes/{cast.home.pk}/statements/{number}/").status_code == 404


def test_a_correction_says_what_was_what_is_and_why(cast: Cast) -> None:
    first, last = billed(cast.home)
    with acting_as_system():
        _, start, _ = months(cast.home)
        read(cast.home, {Channel.NODE: 370}, start, start + timedelta(days=2))
        draft = corrections.revise(last, "a late reading of the panel")
        assert draft is not None
        (revision,) = statements.issue_many([draft.pk])
    text = page(cast, "member", f"statements/{revision.number}/")
    assert "a late reading of the panel" in text
    assert dollars(last.you_pay_cents) in text and dollars(revision.you_pay_cents) in text
    assert f"Statement {revision.number}</a> takes its place" in page(cast, "member", f"statements/{last.number}/")
    listed = page(cast, "member", "statements/")
    assert f"corrected by {revision.number}" in listed and f"corrects {last.number}" in listed
    assert f"statements/{first.number}/" in listed


def test_pages_without_statements_say_what_will_appear_and_when(cast: Cast) -> None:
    for path, words in {
        "statements/": "None yet. The first appears here",
        "electricity/": "Your first statement appears here",
        "electricity/month/": "appears here the day after",
        "agreement/": "No agreement has been concluded",
        "payouts/": "None yet. When a statement says",
    }.items():
        assert words in page(cast, "owner", path)


def test_the_agreement_in_plain_words_with_its_versions(cast: Cast) -> None:
    billed(cast.home)
    with acting_as_system():
        terms = agreements.Terms("operator", "operator", "flat_host_fee", fee_cents=15_000, internet_cents=7_000)
        agreements.conclude(cast.home, terms, today(cast.home) + timedelta(days=40))
    text = page(cast, "owner", "agreement/")
    assert "You pay us $150.00 a month, whatever the bills are." in text
    assert "We pay you what the node added to the electricity bill" in text
    assert "What changed from the version before" in text


def test_payouts_and_what_is_owed(cast: Cast) -> None:
    billed(cast.home)
    with acting_as_system():
        payout = payouts.create(cast.home)
        assert payout is not None
    text = page(cast, "owner", "payouts/")
    assert dollars(payout.cents) in text and "About to be sent" in text
    assert Payout.objects.count() in (0, 1)


def test_a_year_of_payments_and_all_statements_as_csv(cast: Cast) -> None:
    billed(cast.home)
    assert "for your taxes" not in page(cast, "owner", "payouts/")
    with acting_as_system():
        payout = payouts.create(cast.home)
        assert payout is not None
        Payout.objects.filter(pk=payout.pk).update(state=Payout.State.SENT, sent_at=payout.created_at)
        payout.refresh_from_db()
        payout = payouts.resolve(payout, True, "the bank's list says so")
        numbers = [str(one.number) for one in Statement.objects.issued().filter(home=cast.home)]
    text = page(cast, "owner", "payouts/")
    assert "By year, for your taxes" in text and "$2,000.00" in text
    year = payout.settled_at.astimezone(cast.home.zone).year
    rows = page(cast, "owner", "payouts/years.csv")
    assert f"{year}," in rows and f",{payout.cents / 100:.2f}," in rows
    listed = cast.client("member").get(f"/homes/{cast.home.pk}/statements.csv").content.decode().splitlines()
    assert sorted(line.split(",")[0] for line in listed[1:]) == sorted(numbers)


def test_a_question_is_asked_once_and_shown_with_its_answer(cast: Cast) -> None:
    statement = billed(cast.home)[1]
    address = f"/homes/{cast.home.pk}/statements/{statement.number}/ask/"
    refused = cast.client("member").post(address, {"text": " "})
    assert refused.status_code == 400 and "Write your question first." in refused.content.decode()
    asked = cast.client("member").post(address, {"text": "Why is <b>this</b> so high?"})
    assert asked.status_code == 302
    for name in ("viewer", "outsider", "operator"):
        assert cast.client(name).post(address, {"text": "Why?"}).status_code == 404
    assert cast.client("owner").get(address).status_code == 405
    with acting_as_system():
        questions.answer(StatementQuestion.objects.get(), "It was hot.", cast.people["billing"].party)
    text = page(cast, "owner", f"statements/{statement.number}/")
    assert "Why is &lt;b&gt;this&lt;/b&gt; so high?" in text and "It was hot." in text


@pytest.mark.parametrize("path", ["", "electricity/", *HOUSEHOLD_PAGES, *OWNER_PAGES])
def test_a_page_costs_few_queries_and_has_nothing_inline(
    cast: Cast, path: str, django_assert_max_num_queries: Any
) -> None:
    address = f"/homes/{cast.home.pk}/{path.format(n=billed(cast.home)[1].number)}"
    client = cast.client("owner")
    with django_assert_max_num_queries(40):
        text = client.get(address).content.decode()
    assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:", text)
    assert Statement.objects.count() == 0, "nobody is signed in here"


def test_dates_are_those_of_the_home(cast: Cast) -> None:
    """In one of two places it is not the same day as in Greenwich, whatever the hour."""
    now = datetime.now(UTC)
    zone = ZoneInfo("Pacific/Kiritimati" if now.hour >= 11 else "Pacific/Niue")
    with acting_as_system():
        Home.objects.filter(pk=cast.home.pk).update(timezone=zone.key)
        cast.home.refresh_from_db()
    billed(cast.home)
    with acting_as_system():
        payouts.create(cast.home)
    there = now.astimezone(zone)
    assert there.date() != now.date()
    assert f"{there.day} {there:%b %Y}<small>" in page(cast, "owner", "payouts/")
    assert f"issued {there.day} {there:%b %Y}" in page(cast, "owner", "statements/")
