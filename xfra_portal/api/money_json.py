"""Money as JSON: statements, lines, the month so far. Exact numbers travel as decimal strings."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from django.urls import reverse

from billing.agreements import plain
from billing.models import Statement
from billing.month_to_date import Figures, MonthToDate
from billing.priced_intervals import Day
from billing.waterfall import Figure
from telemetry.payloads import iso
from xfra_portal import statement_files
from xfra_portal.homeowner import money
from xfra_portal.homeowner.line_pages import LinePage
from xfra_portal.homeowner.money import Row

FIGURES: Final = (
    "you_pay_cents",
    "we_pay_cents",
    "saved_cents",
    "bill_with_cents",
    "bill_without_cents",
    "node_cents",
    "internet_cents",
)
_LINE: Final = (
    "section",
    "component",
    "clause",
    "span",
    "tou_period",
    "tier",
    "quantity_with",
    "quantity_without",
    "unit",
    "rate",
    "with_cents",
    "without_cents",
    "host_cash_cents",
    "operator_cash_cents",
    "in_kind_cents",
    "amount_cents",
)


def statement_json(statement: Statement) -> dict[str, Any]:
    """Its period, run, `revises` and `revision` are fetched with it."""
    period, run = statement.period, statement.run
    revision = getattr(statement, "revision", None)
    is_revised = revision is not None and revision.state == Statement.State.ISSUED
    return {
        "number": statement.number,
        "home": str(statement.home_id),
        "timezone": period.zone,
        "start": period.start.isoformat(),
        "end": period.end.isoformat(),
        "issued_at": iso(statement.issued_at),
        **{name: getattr(statement, name) for name in FIGURES},
        "total_cents": statement.total_cents,
        "due_on": day(statement.due_on),
        "words": list(money.words_of(statement)),
        "interval_count": period.interval_count,
        "estimated_intervals": run.estimated_intervals,
        "site_import_wh": run.site_import_wh,
        "site_export_wh": run.site_export_wh,
        "node_wh": run.node_wh,
        "revises": statement.revises.number if statement.revises else None,
        "revised_by": revision.number if is_revised and revision else None,
        "why": statement.why,
    }


def changes_json(statement: Statement) -> list[dict[str, Any]]:
    return [
        {"figure": figure.value, "was_cents": one.was, "now_cents": one.now, "change_cents": one.change}
        for figure, one in zip(Figure, money.changes(statement), strict=False)
    ]


def line_json(row: Row) -> dict[str, Any]:
    found = {name: _plain(getattr(row.line, name)) for name in _LINE}
    naming = {"name": row.name, "hours": list(row.naming.hours)}
    return {"ordinal": row.ordinal, **naming, **found, "node_cents": row.node_cents}


def _plain(value: Any) -> Any:
    return plain(value) if isinstance(value, Decimal) else value


def line_detail_json(page: LinePage) -> dict[str, Any]:
    row = None
    if page.tariff_row is not None:
        tier = page.row.line.tier or 0
        row = {
            "tariff": page.tariff.name,
            "sha256": page.tariff.sha256,
            "unit": page.tariff_row.unit,
            "hours": list(page.tariff_row.hours),
            "steps": [
                {"upper": _plain(step.upper), "rate": plain(step.rate), "is_this_line": number == tier}
                for number, step in enumerate(page.tariff_row.tiers)
            ],
        }
    return {**line_json(page.row), "tariff_row": row, "days": [_day_json(day) for day in page.days]}


def _day_json(day: Day) -> dict[str, Any]:
    return {
        "on": day.on.isoformat(),
        "quarter_hours": day.quarters,
        "with_wh": day.with_wh,
        "without_wh": day.without_wh,
        "node_wh": day.node_wh,
        "peak_watts": day.peak_watts,
    }


def files_json(statement: Statement, shows_agreement: bool) -> list[dict[str, str]]:
    return [
        {
            "kind": name,
            "media_type": kind.media_type,
            "url": reverse("api-statement-file", args=[statement.home_id, statement.number, name]),
        }
        for name, kind in statement_files.offered(shows_agreement).items()
    ]


def _figures_json(figures: Figures) -> dict[str, int]:
    names = ("you_pay", "we_pay", "saved", "bill_with", "bill_without", "internet")
    found = {f"{name}_cents": getattr(figures, name) for name in names}
    return {**found, "node_cents": figures.bill_with - figures.bill_without}


def month_json(found: MonthToDate) -> dict[str, Any]:
    forecast = found.forecast
    return {
        "timezone": found.zone,
        "start": found.start.isoformat(),
        "end": found.end.isoformat(),
        "month_end": found.month_end.isoformat(),
        "is_final": False,
        "figures": _figures_json(found.figures) if found.has_figures else None,
        "forecast": {
            **_figures_json(forecast.figures),
            "basis_start": forecast.basis.start.isoformat(),
            "basis_end": forecast.basis.end.isoformat(),
            "basis_days": forecast.basis.days,
        }
        if forecast
        else None,
        "problem": {"code": found.problem.code, "detail": found.problem.problem} if found.problem else None,
        "estimated_intervals": found.estimated,
        "lines": [line_json(row) for row in money.sheet_so_far(found).rows],
        "bands": [
            {"hours": b.words, "home_wh": b.home_wh, "node_wh": b.node_wh, "rates": [plain(rate) for rate in b.rates]}
            for b in money.bands(found)
        ],
    }


def instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def day(on: date | None) -> str | None:
    return on.isoformat() if on else None
