"""One example answer for each operation of the billing desk."""

from __future__ import annotations

from typing import Any, Final

_HOME: Final = "ffc0cbdb-5d6c-4d4b-99ef-f0aafa2e19ec"


def _done(kind: str, words: str, made: int | None = None, home: str | None = None, why: str = "") -> dict[str, Any]:
    return {"kind": kind, "words": words, "home": home, "made": made, "why": why}


_STAGES: Final = {"waiting": 0, "held": 1, "drafted": 0, "reviewed": 0, "issued": 99}

ANSWERS: Final[dict[str, Any]] = {
    "desk_months_list": {
        "months": [
            {
                "month": "2026-10",
                "is_over": True,
                "is_begun": True,
                "stages": _STAGES,
                "doubted": 0,
                "known_ratio": 0.9998,
            }
        ],
        "worker_seen_at": "2026-11-02T09:00:00.000Z",
    },
    "desk_items_list": {
        "next": None,
        "previous": None,
        "results": [
            {
                "id": 41,
                "home": _HOME,
                "start": "2026-10-01",
                "end": "2026-11-01",
                "stage": "issued",
                "problem": "",
                "remedy": "",
                "statement": 8,
                "total_cents": 15000,
            }
        ],
    },
    "desk_close": _done("close_begun", "October 2026 is being closed: 100 homes to rate.", 2),
    "desk_approve": _done("approved", "99 statements of October 2026 approved."),
    "desk_issue": _done("issued", "99 statements of October 2026 are being issued."),
    "desk_correct": _done(
        "correction_drafted",
        "A correction of statement 8 is drafted; what the host owes changes by −$0.36.",
        104,
        _HOME,
        "the utility's own count of three days",
    ),
    "desk_issue_correction": _done(
        "correction_issued",
        "Statement 101 is issued: it corrects statement 8, and the host is told.",
        101,
        _HOME,
        "the utility's own count of three days",
    ),
    "desk_tariff_import": _done(
        "tariff_imported", "NV Energy: RS, version 2, is a draft: nothing is billed by it yet.", 5
    ),
    "desk_tariff_publish": _done(
        "tariff_published", "NV Energy: RS, version 2, is published from 2026-10-01, and frozen.", 5
    ),
    "desk_tariff_assign": _done(
        "tariff_assigned", "Home 12 is billed by NV Energy: RS from October 1, 2026.", 31, _HOME
    ),
    "desk_agreement_conclude": _done(
        "agreement_concluded",
        "Version 2 of the agreement with Home 12 is in force from November 1, 2026.",
        2,
        _HOME,
        "the fee was lowered",
    ),
    "desk_payouts_create": _done("payouts_created", "3 payouts created, $4,102.88 in all."),
    "desk_payouts_send": _done("payouts_sent", "A worker sends and asks about 3 payouts."),
    "desk_payout_outcome": _done(
        "payout_resolved",
        "The payout of $901.11 to the host of Home 12 has arrived.",
        17,
        _HOME,
        "on the bank's statement of 5 November",
    ),
    "desk_bill_enter": _done("bill_entered", "Bill 4471 of Home 12 is entered. Agrees to the cent: $0.00.", 9, _HOME),
    "desk_bill_explain": _done(
        "bill_explained", "Bill 4471 of Home 12: differs, explained.", 9, _HOME, "a fee of the city"
    ),
    "desk_bill_pay": _done("bill_paid", "Bill 4471 of Home 12, $972.87, is paid.", 9, _HOME),
    "desk_reading_answer": _done(
        "readings_accepted",
        "Readings of Home 12, node, Oct 9 2:15 pm, accepted.",
        3,
        _HOME,
        "the panel's own display says so",
    ),
    "desk_question_answer": _done(
        "question_answered", "The question about statement 8 of Home 12 is answered.", 6, _HOME
    ),
}
