"""Payouts as a file for a bank: the fields of a NACHA PPD credit entry, one line each, as CSV.

It holds no account numbers: the portal has none. Whoever carries the file to the bank joins them by `individual_id`.
Source: Nacha Operating Rules, PPD entry detail record (transaction code 22: credit to a checking account).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import date
from typing import Final

from billing.models import Payout

COLUMNS: Final = (
    "record_type",
    "transaction_code",
    "standard_entry_class",
    "effective_entry_date",
    "individual_id",
    "individual_name",
    "amount_cents",
    "company_entry_description",
    "trace_key",
)
_NAME: Final = 22
_ID: Final = 15


def as_csv(payouts: Iterable[Payout], effective: date) -> str:
    """One entry per payout that is not settled yet, then a control line with their number and sum."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    count = total = 0
    for payout in payouts:
        if payout.state not in (Payout.State.CREATED, Payout.State.SENT):
            continue
        identity = f"{payout.host_id}"[:_ID]
        name = _text(payout.host.name)[:_NAME].strip()
        writer.writerow(
            ["6", "22", "PPD", f"{effective:%y%m%d}", identity, name, payout.cents, "XFRA HOST", payout.key]
        )
        count, total = count + 1, total + payout.cents
    writer.writerow(["8", "220", "PPD", f"{effective:%y%m%d}", "", "", total, "CONTROL", count])
    return text.getvalue()


def _text(name: str) -> str:
    """Upper-case ASCII, and nothing that a spreadsheet would take for a formula."""
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in " .-") else " " for letter in name)
    return kept.strip(" -").upper()
