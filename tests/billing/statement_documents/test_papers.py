"""What a statement's PDF, CSV and content say, to whom, and that they say it the same way each time."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.utils import timezone

from billing import payouts
from billing.documents import pdf, sentences
from billing.documents.content import Change, content_of, years_of
from billing.documents.pdf import printable, statement_pdf
from billing.documents.tables import lines_csv, statements_csv, years_csv
from billing.models import Section, Statement, TaxThreshold
from homes.access import acting_as
from homes.models import Home
from tests.billing import months, providers
from tests.billing.statement_documents.statements import KINDS
from tests.cast import Cast, needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("as_system")]


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_statement_is_a_tagged_pdf_with_the_same_bytes(kind: str, cast: Cast) -> None:
    statement = KINDS[kind](cast)
    made = statement_pdf(content_of(statement))
    assert made == statement_pdf(content_of(statement))
    assert made.startswith(b"%PDF-") and b"/StructTreeRoot" in made and b"pdfuaid:part" in made


def test_fonts_are_typsts_own(cast: Cast) -> None:
    assert {font.family for font in pdf._fonts().fonts()} == {
        "DejaVu Sans Mono",
        "Libertinus Serif",
        "New Computer Modern",
        "New Computer Modern Math",
    }


def test_texts_of_the_pdf(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """What typst is given: everything is formatted already."""
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(pdf, "rendered", lambda layout, data, timestamp: given.append(data) or b"")
    Home.objects.update(is_simulated=True)
    statement = KINDS["flat_fee_of_a_part_month"](cast)
    statement_pdf(content_of(statement))
    (data,) = given
    assert data["title"] == "Electricity and subsidy, April 9 to April 30, 2026"
    assert data["simulated"] == "SIMULATED HOME"
    assert data["facts"][0] == ["For", "Owner Cast"]
    assert [figure[:2] for figure in data["figures"]] == [
        ["You pay", "$110.00"],
        ["We pay", "$55.91"],
        ["It cost you more", "$20.13"],
    ]
    assert (
        data["node_cost"] == "The node cost $76.04. You paid $20.13 more than the same home would have paid without us."
    )
    assert data["outcome"] == f"You owe us $110.00 by {sentences.day(statement.due_on)}. By bank transfer."
    assert data["bill"]["groups"][0]["rows"][1] == [
        *("Fixed charge", "1 month × 22/30", "$18.00", "$13.20", "$13.20", "$0.00"),
    ]
    assert data["paid"]["total"] == ["Together", "$110.00", "$55.91", "$89.87"]


def test_the_day_of_issue_is_the_homes_on_every_paper(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issued in the evening of April 30 in Phoenix, when it is May already in Greenwich."""
    statement = KINDS["hold_harmless"](cast)
    statement.issued_at, statement.period.zone = datetime(2026, 5, 1, 4, 30, tzinfo=UTC), "America/Phoenix"
    assert statement.issued_on == date(2026, 4, 30)
    assert Statement().issued_on is None
    assert table(statements_csv([statement]))[0]["issued"] == "2026-04-30"
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(pdf, "rendered", lambda layout, data, timestamp: given.append(data) or b"")
    statement_pdf(replace(content_of(statement), issued_on=statement.issued_on))
    assert given[0]["number"].endswith("\u00b7 April 30, 2026")


def test_a_draft_is_called_one_and_has_no_proof(cast: Cast) -> None:
    months.settle_in(cast.home)
    months.usual(cast.home)
    content = content_of(months.draft(cast.home))
    assert (content.number, content.issued_at, content.proof) == (None, None, None)
    assert statement_pdf(content).startswith(b"%PDF-")


def test_a_member_of_the_household_gets_it_without_the_agreement(cast: Cast) -> None:
    statement = KINDS["hold_harmless"](cast)
    with acting_as(cast.people["owner"].pk):
        owners = content_of(statement)
    with acting_as(cast.people["member"].pk):
        members = content_of(statement)
    assert owners.agreement is not None
    assert members == replace(owners, agreement=None, explanation=members.explanation)
    assert set(owners.explanation) - set(members.explanation) == {
        "By your agreement the node costs you nothing: what it added to the utility's bill is ours."
    }


def test_a_revision_says_was_now_change_and_why(cast: Cast) -> None:
    statement = KINDS["revision"](cast)
    found = content_of(statement).revision
    assert found is not None and statement.revises is not None
    assert (found.number, found.why) == (statement.revises.number, "the panel reported a day late")
    assert found.lines == (Change("Energy", 13_824, 13_882),)
    assert found.total == Change("What we owe you", 10_368, 10_368)
    assert content_of(statement.revises).revised_by == statement.number


def test_content_adds_up(cast: Cast) -> None:
    content = content_of(KINDS["rich_november_with_solar"](cast))
    bill = content.section(Section.ELECTRICITY)
    assert sum(line.with_cents for line in bill) == content.bill_with_cents
    assert sum(line.node_cents for line in bill) == content.node_cents
    assert sum(line.host_cash_cents for line in content.lines) == content.you_pay_cents
    assert content.energy.home_wh + content.energy.node_wh == (
        content.energy.site_import_wh - content.energy.site_export_wh
    )
    bought = [line for line in content.lines if line.component == "energy"]
    assert {(line.name.split(",")[0], line.hours) for line in bought} == {
        ("Off-peak energy", ("weekdays 9 pm to 4 pm", "weekends and holidays, all day")),
        ("On-peak energy", ("weekdays 4 pm to 9 pm",)),
    }


def test_lines_as_csv(cast: Cast) -> None:
    content = content_of(KINDS["credit_per_kwh"](cast))
    rows = table(lines_csv(content))
    assert len(rows) == len(content.lines)
    assert sum(round(float(row["you_owe_us"]) * 100) for row in rows) == content.total_cents
    assert rows[0]["name"] == "Energy" and rows[0]["rate"] == "0.12"


def test_a_name_is_no_formula(cast: Cast) -> None:
    content = content_of(KINDS["hold_harmless"](cast))
    evil = replace(content, lines=(replace(content.lines[0], name='=HYPERLINK("x")'),))
    assert table(lines_csv(evil))[0]["name"] == '\'=HYPERLINK("x")'


def test_a_homes_statements_as_csv(cast: Cast) -> None:
    revision = KINDS["revision"](cast)
    rows = table(statements_csv(Statement.objects.issued().select_related("period", "run").order_by("number")))
    assert [row["statement"] for row in rows] == [str(revision.revises.number), str(revision.number)]
    assert (rows[0]["revised_by"], rows[1]["revises"]) == (str(revision.number), str(revision.revises.number))
    assert (rows[1]["from"], rows[1]["until_before"], rows[1]["node_kwh"]) == ("2026-04-01", "2026-05-01", "864")
    assert rows[0]["you_owe_us"] == "-103.68"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoë’s house", "Zoë’s house"),
        ("Ｆｕｌｌ", "Full"),
        ("ﬁne", "fine"),
        ("a\tb\x07", "a b?"),
        ("日本", "??"),
        ("#panic[$x$]", "#panic[$x$]"),
    ],
)
def test_what_the_fonts_lack_is_written_otherwise(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_names_are_never_markup(cast: Cast) -> None:
    content = replace(content_of(KINDS["hold_harmless"](cast)), home='#panic("x") $ * _ ] @ <y>', host="日本 \u202e")
    assert statement_pdf(content).startswith(b"%PDF-")


@pytest.mark.parametrize(("part", "whole", "said"), [(1, 3_000, "less than 0.1 %"), (30, 3_000, "1.0 %")])
def test_something_is_never_nothing(part: int, whole: int, said: str) -> None:
    assert sentences.percent(part, whole) == said


def test_a_year_with_the_threshold_of_its_time(cast: Cast) -> None:
    KINDS["hold_harmless"](cast)
    payouts.create_due([cast.home.pk])
    payouts.pursue(providers.Prompt())
    year = timezone.now().year
    (found,) = years_of([cast.home], year)
    assert (found.cash_cents, found.payouts, found.in_kind_cents, found.host) == (10_368, 1, 7_000, "Owner Cast")
    assert (found.threshold_cents, found.is_reported) == (200_000, False)
    assert found.explanation[0] == (
        f"In {year} we paid you $103.68. Payments of $2,000.00 or more a year are reported to the tax authority."
    )
    (row,) = table(years_csv([found]))
    assert (row["paid_to_you"], row["in_kind"], row["is_reported"]) == ("103.68", "70.00", "no")
    TaxThreshold.objects.create(form="1099-MISC", valid_from=date(year, 12, 30), cents=10_000, source="test")
    (found,) = years_of([cast.home], year)
    assert found.is_reported and found.explanation[1] == "Yours are: you will get a form 1099-MISC."
