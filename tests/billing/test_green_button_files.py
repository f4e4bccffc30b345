"""Green Button of a statement and of days: valid, readable by others, and the statement's own watt-hours."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime

import pytest
from greenbutton_objects import parse
from lxml import etree

from billing import green_button_files
from billing.green_button_files import NothingRead
from billing.greenbutton.vocabulary import ESPI
from billing.models import Channel, Statement
from tests.billing.espi_schema import needs_schema, schema
from tests.billing.months import APRIL, MAY, issue, read, settle_in, usual, write
from tests.cast import Cast, needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("as_system")]


@pytest.fixture
def statement(cast: Cast) -> Statement:
    settle_in(cast.home)
    usual(cast.home)
    read(cast.home, {Channel.SITE_EXPORT: 3}, APRIL, MAY)
    return issue(cast.home)


@needs_schema
def test_a_statements_file_follows_the_schema(statement: Statement) -> None:
    schema().assertValid(etree.fromstring(green_button_files.of_statement(statement)))


def test_another_reader_finds_the_statements_watt_hours(statement: Statement) -> None:
    points = parse.parse_feed(io.StringIO(green_button_files.of_statement(statement).decode()))
    readings = [reading for point in points for reading in point.meterReadings]
    sums = [sum(each.value for each in reading.intervalReadings) for reading in readings]
    run = statement.run
    assert sorted(sums) == sorted([run.site_import_wh, run.site_export_wh, run.node_wh])


def test_the_subsidy_is_a_line_of_the_summary(statement: Statement) -> None:
    root = etree.fromstring(green_button_files.of_statement(statement))
    space = f"{{{ESPI}}}"
    assert root.findtext(f".//{space}billLastPeriod") == str(statement.bill_with_cents * 1000)
    details = root.iter(f"{space}costAdditionalDetailLastPeriod")
    amounts = {each.findtext(f"{space}note"): int(each.findtext(f"{space}amount") or 0) for each in details}
    assert amounts["Of it the XFRA node"] == statement.node_cents * 1000
    assert amounts["Paid by the operator, internet included"] == -statement.we_pay_cents * 1000
    assert amounts["Saved by the household"] == -statement.saved_cents * 1000


def test_a_later_reading_is_in_the_days_and_not_in_the_statement(cast: Cast, statement: Statement) -> None:
    before = green_button_files.of_statement(statement)
    write(cast.home, Channel.NODE, APRIL, [7] * 96)
    assert green_button_files.of_statement(statement) == before
    days = green_button_files.of_days(cast.home, APRIL, date(2026, 4, 2), datetime(2026, 5, 3, tzinfo=UTC))
    assert days.count(b"<espi:value>7</espi:value>") == 96


def test_days_without_a_reading_have_no_file(cast: Cast) -> None:
    with pytest.raises(NothingRead):
        green_button_files.of_days(cast.home, APRIL, MAY, datetime(2026, 5, 3, tzinfo=UTC))
