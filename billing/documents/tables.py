"""CSV: a statement's lines, and the list of a home's statements. Amounts are dollars with two decimals."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from billing.agreements import plain
from billing.documents.content import StatementContent, YearContent
from billing.models import Statement

LINE_COLUMNS: Final = (
    "statement",
    "section",
    "component",
    "name",
    "hours",
    "quantity_with_node",
    "quantity_without_node",
    "unit",
    "rate",
    "bill_with_node",
    "bill_without_node",
    "node_added",
    "you_paid_in_cash",
    "we_paid_in_cash",
    "you_got_in_kind",
    "you_owe_us",
)
STATEMENT_COLUMNS: Final = (
    "statement",
    "issued",
    "from",
    "until_before",
    "you_pay",
    "we_pay",
    "you_saved",
    "you_owe_us",
    "bill_with_node",
    "bill_without_node",
    "internet",
    "import_kwh",
    "export_kwh",
    "node_kwh",
    "revises",
    "revised_by",
)
YEAR_COLUMNS: Final = ("year", "home", "paid_to_you", "payouts", "in_kind", "you_saved", "reported_from", "is_reported")


def lines_csv(content: StatementContent) -> str:
    rows = [
        (
            content.number,
            line.section,
            line.component,
            _text(line.name),
            "; ".join(line.hours),
            _number(line.quantity_with),
            _number(line.quantity_without),
            line.unit,
            _number(line.rate),
            *_dollars(
                line.with_cents,
                line.without_cents,
                line.node_cents,
                line.host_cash_cents,
                line.operator_cash_cents,
                line.in_kind_cents,
                line.amount_cents,
            ),
        )
        for line in content.lines
    ]
    return _written(LINE_COLUMNS, rows)


def statements_csv(statements: Iterable[Statement]) -> str:
    """Issued statements that the caller has found for its reader, in the order given."""
    rows = [
        (
            statement.number,
            statement.issued_on or "",
            statement.period.start,
            statement.period.end,
            *_dollars(
                statement.you_pay_cents,
                statement.we_pay_cents,
                statement.saved_cents,
                statement.total_cents,
                statement.bill_with_cents,
                statement.bill_without_cents,
                statement.internet_cents,
            ),
            *(plain(Decimal(wh).scaleb(-3)) for wh in _energy(statement)),
            statement.revises.number if statement.revises else "",
            statement.revision.number if hasattr(statement, "revision") else "",
        )
        for statement in statements
    ]
    return _written(STATEMENT_COLUMNS, rows)


def years_csv(years: Iterable[YearContent]) -> str:
    rows = [
        (
            year.year,
            _text(year.home),
            *_dollars(year.cash_cents),
            year.payouts,
            *_dollars(year.in_kind_cents, year.saved_cents, year.threshold_cents),
            "yes" if year.is_reported else "no",
        )
        for year in years
    ]
    return _written(YEAR_COLUMNS, rows)


def _energy(statement: Statement) -> tuple[int, int, int]:
    run = statement.run
    return run.site_import_wh, run.site_export_wh, run.node_wh


def _written(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream)  # lines end as RFC 4180 says
    writer.writerow(columns)
    writer.writerows(rows)
    return stream.getvalue()


def _dollars(*cents: int) -> list[str]:
    return [f"{Decimal(amount).scaleb(-2):.2f}" for amount in cents]


def _number(value: Decimal | None) -> str:
    return "" if value is None else plain(value)


def _text(value: str) -> str:
    """A spreadsheet takes text that begins like this for a formula."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
