"""One example answer for each operation about money. Made of one invented month, whose sums are right."""

from __future__ import annotations

from typing import Any, Final

_AT: Final = "2026-11-02T09:00:00.000Z"
_HOME: Final = "ffc0cbdb-5d6c-4d4b-99ef-f0aafa2e19ec"
_SHA: Final = "e99738344592062fcf4c1aa7c574da12ebe2528cd0cd5ca1ad496ee5e0d28f99"

_FIGURES: Final = {
    "you_pay_cents": 15000,
    "we_pay_cents": 90787,
    "saved_cents": 3610,
    "bill_with_cents": 97287,
    "bill_without_cents": 10110,
    "node_cents": 87177,
    "internet_cents": 8500,
}
_STATEMENT: Final = {
    **_FIGURES,
    "number": 8,
    "home": _HOME,
    "timezone": "America/Phoenix",
    "start": "2026-10-01",
    "end": "2026-11-01",
    "issued_at": _AT,
    "total_cents": 15000,
    "due_on": "2026-11-16",
    "words": [
        "The node cost $871.77. You paid none of it.",
        "You owe us $150.00 by November 16, 2026. By bank transfer with the number of the statement.",
    ],
    "interval_count": 2976,
    "estimated_intervals": 0,
    "site_import_wh": 9582111,
    "site_export_wh": 0,
    "node_wh": 8956000,
    "revises": None,
    "revised_by": None,
    "why": "",
}
_LINE: Final = {
    "ordinal": 1,
    "section": "electricity",
    "component": "energy",
    "name": "On-peak energy",
    "hours": ["weekdays 2 pm to 8 pm"],
    "clause": "utility_payer",
    "span": 0,
    "tou_period": 1,
    "tier": 0,
    "quantity_with": "6717.609",
    "quantity_without": "449.432",
    "unit": "kWh",
    "rate": "0.0903",
    "with_cents": 60660,
    "without_cents": 4058,
    "node_cents": 56602,
    "host_cash_cents": 0,
    "operator_cash_cents": 60660,
    "in_kind_cents": 4058,
    "amount_cents": 0,
}
_ROW: Final = {
    "tariff": "E-26",
    "sha256": _SHA,
    "unit": "kWh",
    "hours": ["weekdays 2 pm to 8 pm"],
    "steps": [{"upper": None, "rate": "0.0903", "is_this_line": True}],
}
_DAY: Final = {
    "on": "2026-10-01",
    "quarter_hours": 24,
    "with_wh": 198303,
    "without_wh": 13462,
    "node_wh": 184841,
    "peak_watts": 12840,
}
_SEGMENT: Final = {
    "side": "with",
    "ordinal": 0,
    "component": "energy",
    "span": 0,
    "tou_period": 1,
    "tier": 0,
    "quantity": "6717.609",
    "unit": "kWh",
    "rate": "0.0903",
    "exact": "606.6000927",
    "days": 1,
    "of_days": 1,
    "name": "On-peak energy",
}
_FILE: Final = {
    "kind": "bundle",
    "media_type": "application/zip",
    "url": f"/api/v1/homes/{_HOME}/statements/8/files/bundle",
}
_QUESTION: Final = {
    "id": 3,
    "line": 1,
    "text": "Why was there so much use on the 14th?",
    "asked_at": "2026-11-03T18:20:00.000Z",
    "answer": "",
    "answered_at": None,
}
_AGREEMENT: Final = {
    "version": 1,
    "start": "2026-09-01",
    "end": None,
    "utility_payer": "operator",
    "internet_payer": "operator",
    "settlement": "flat_host_fee",
    "fee_cents": 15000,
    "credit_per_kwh": None,
    "internet_cents": 8500,
    "fixed_monthly": [],
    "due_days": 14,
    "how_paid": "By bank transfer with the number of the statement.",
    "words": ["We pay the electricity bill, all of it.", "You pay us $150.00 a month, whatever the bills are."],
    "changes": [],
}
_PAYOUT: Final = {
    "key": "payout:ffc0cbdb:1",
    "cents": 81244,
    "state": "paid",
    "problem": "",
    "created_at": _AT,
    "sent_at": _AT,
    "settled_at": "2026-11-04T09:00:00.000Z",
    "returned_at": None,
}
_ENTRY: Final = {
    "key": "statement:8",
    "kind": "statement",
    "at": _AT,
    "note": "Statement 8",
    "statement": 8,
    "postings": [{"account": "host_receivable", "cents": 15000}, {"account": "host_fees", "cents": -15000}],
}
_PAGE: Final[dict[str, Any]] = {"next": None, "previous": None}

ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "statements_list": {**_PAGE, "results": [_STATEMENT]},
    "statements_read": {**_STATEMENT, "changes": [], "lines": [_LINE], "files": [_FILE]},
    "statement_lines": {"lines": [_LINE]},
    "statement_line_read": {**_LINE, "tariff_row": _ROW, "days": [_DAY]},
    "statement_segments": {
        "input_sha256": _SHA,
        "engine_version": "1",
        "tzdata_version": "2026.1",
        "segments": [_SEGMENT],
    },
    "statement_intervals": {
        "timezone": "America/Phoenix",
        "at": ["2026-10-01T07:00:00Z"],
        "site_import_wh": [2690],
        "site_export_wh": [0],
        "node_wh": [2560],
        "without_import_wh": [130],
        "without_export_wh": [0],
        "tou_period": [0],
        "rates": [["0.0891"]],
    },
    "statement_difference": {
        "figure": "we_pay",
        "compared_with": 4,
        "was_cents": 89028,
        "now_cents": 90787,
        "steps": [{"cause": "days", "cents": 1759, "name": "Days", "why": "31 days instead of 30"}],
    },
    "statement_files": {"files": [_FILE]},
    "statement_questions_list": {"questions": [_QUESTION]},
    "statement_questions_ask": _QUESTION,
    "month_to_date": {
        "timezone": "America/Phoenix",
        "start": "2026-11-01",
        "end": "2026-11-25",
        "month_end": "2026-12-01",
        "is_final": False,
        "figures": _FIGURES,
        "forecast": {
            **_FIGURES,
            "basis_start": "2026-11-11",
            "basis_end": "2026-11-25",
            "basis_days": 14,
        },
        "problem": None,
        "estimated_intervals": 0,
        "lines": [_LINE],
        "bands": [{"hours": "weekdays 2 pm to 8 pm", "home_wh": 178000, "node_wh": 1395000, "rates": ["0.0903"]}],
    },
    "agreements_list": {"agreements": [_AGREEMENT]},
    "tariffs_list": {
        "tariffs": [
            {
                "utility": "Salt River Project",
                "name": "E-26",
                "version": 1,
                "valid_from": "2026-01-01",
                "published_at": _AT,
                "sha256": _SHA,
                "assigned_from": "2026-09-01",
                "assigned_until": None,
                "document": {"name": "E-26", "fixedchargefirstmeter": 20.0},
            }
        ]
    },
    "payouts_list": {**_PAGE, "results": [_PAYOUT]},
    "ledger_read": {**_PAGE, "balances": [{"account": "host_receivable", "cents": 15000}], "results": [_ENTRY]},
    "green_button_import": {"is_new": True, "days": 31, "versions": 62, "questions": 0},
}
