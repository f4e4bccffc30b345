"""One value changed in a bundle, and the place that the verifier has to name: to be read from top to bottom."""

# ruff: noqa: E501 -- one row, one line

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

Change = Callable[[Any], None]


def put(*path: Any, to: Any) -> Change:
    """Sets what lies at this path; `to` is the new value, or makes it of the old."""

    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        old = document[path[-1]]
        document[path[-1]] = to(old) if callable(to) else to
        assert document[path[-1]] != old

    return change


def more(old: Any) -> Any:
    return old + 1


def other_digit(old: str) -> str:
    return ("0" if old[0] != "0" else "1") + old[1:]


def other_letter(old: str) -> str:
    return old[:40] + "e" + old[41:]


def swap_first_two(wh: list[int]) -> list[int]:
    return [wh[1], wh[0], *wh[2:]]


class Tampering(NamedTuple):
    """In the bundle of a kind of statement, a change in a file, and the place that the verifier names."""

    name: str
    kind: str
    file: str
    change: Change
    place: str


RICH, FLAT, CREDIT, HOLD, REVISED = (
    "rich_november_with_solar",
    "flat_fee_of_a_part_month",
    "credit_per_kwh",
    "hold_harmless",
    "revision",
)
STATEMENT, READINGS, RUN, TARIFF = "statement.json", "readings.json", "run.json", "tariff"
NODE = ("channels", "node")

# fmt: off
TABLE: Final = [
    Tampering("a reading", RICH, READINGS, put(*NODE, 4, "wh", 17, to=more), "readings.node[2026-11-05]:"),
    Tampering("a reading moved by a quarter-hour", RICH, READINGS, put(*NODE, 4, "wh", to=swap_first_two), "readings.node[2026-11-05]:"),
    Tampering("an imported Wh", HOLD, READINGS, put("channels", "site_import", 0, "wh", 0, to=401), "statement.run.site_import_wh:"),
    Tampering("an exported Wh", RICH, READINGS, put("channels", "site_export", 1, "wh", 90, to=more), "readings.site_export[2026-11-02]:"),
    Tampering("a quality", RICH, READINGS, put(*NODE, 0, "qualities", to=other_letter), "readings.node[2026-11-01]:"),
    Tampering("a day's start", RICH, READINGS, put(*NODE, 3, "starts_at", to=lambda old: old + 900), "readings.node[2026-11-04].starts_at:"),
    Tampering("a day's date", RICH, READINGS, put(*NODE, 3, "on", to="2026-11-05"), "readings.node:"),
    Tampering("a rate", HOLD, TARIFF, put("energyratestructure", 0, 0, "rate", to=0.13), "run.segments.with[0].rate:"),
    Tampering("a tier's bound", RICH, TARIFF, put("energyratestructure", 0, 0, "max", to=401), "run.segments.with[0].quantity:"),
    Tampering("an hour of the schedule", RICH, TARIFF, put("energyweekdayschedule", 10, 15, to=1), "tariffs[0]:"),
    Tampering("a holiday", RICH, TARIFF, put("holidays", "days", 1, to="columbus_day"), "run.segments.with[0].quantity:"),
    Tampering("a fixed charge", HOLD, TARIFF, put("fixedchargefirstmeter", to=18.01), "run.segments.with[1].rate:"),
    Tampering("the rounding", RICH, TARIFF, put("rounding", to="line"), "tariffs[0]:"),
    Tampering("the tax", RICH, TARIFF, put("taxes", 0, "rate", to=0.0626), "run.segments.with"),
    Tampering("the demand window", RICH, TARIFF, put("demandwindow", to=15), "tariffs[0]:"),
    Tampering("the agreement's fee", FLAT, STATEMENT, put("agreement", "fee_cents", to=14_900), "agreement.fee_cents:"),
    Tampering("the fee in the other file", FLAT, "agreement.json", put("fee_cents", to=14_900), "agreement.fee_cents:"),
    Tampering("the agreement's start", FLAT, "agreement.json", put("start", to="2026-04-10"), "agreement:"),
    Tampering("the settlement's kind", HOLD, STATEMENT, put("agreement", "settlement", to="flat_host_fee"), "agreement.settlement:"),
    Tampering("who pays the utility", HOLD, STATEMENT, put("agreement", "utility_payer", to="operator"), "statement.lines[0].host_cash_cents:"),
    Tampering("the credit per kWh", CREDIT, STATEMENT, put("agreement", "credit_per_kwh", to="0.056"), "statement.lines[3].rate:"),
    Tampering("a monthly item", CREDIT, STATEMENT, put("agreement", "fixed_monthly", 0, "cents", to=1_100), "statement.lines[4].amount_cents:"),
    Tampering("a line's amount", HOLD, STATEMENT, put("lines", 3, "amount_cents", to=more), "statement.lines[3].amount_cents:"),
    Tampering("a line's cents with the node", RICH, STATEMENT, put("lines", 0, "with_cents", to=more), "statement.lines[0].with_cents:"),
    Tampering("a line's quantity", RICH, STATEMENT, put("lines", 0, "quantity_with", to="399"), "statement.lines[0].quantity_with:"),
    Tampering("a line's label", HOLD, STATEMENT, put("lines", 0, "label", to="Power"), "statement.lines[0].label:"),
    Tampering("what was in kind", FLAT, STATEMENT, put("lines", 0, "in_kind_cents", to=0), "statement.lines[0].in_kind_cents:"),
    Tampering("the total", HOLD, STATEMENT, put("figures", "total_cents", to=more), "statement.figures.total_cents:"),
    Tampering("what you saved", HOLD, STATEMENT, put("figures", "saved_cents", to=more), "statement.figures.saved_cents:"),
    Tampering("the period", HOLD, STATEMENT, put("period", "end", to="2026-05-02"), "statement.period:"),
    Tampering("the number of quarter-hours", HOLD, STATEMENT, put("period", "interval_count", to=2_881), "statement.period.interval_count:"),
    Tampering("the time zone", HOLD, STATEMENT, put("period", "zone", to="America/Denver"), "clock.zone:"),
    Tampering("the statement's number", HOLD, STATEMENT, put("number", to=more), "chain.sha256:"),
    Tampering("the day of issue", HOLD, STATEMENT, put("issued_at", to="2026-05-02T00:00:00+00:00"), "chain.sha256:"),
    Tampering("the share that is estimated", CREDIT, STATEMENT, put("run", "estimated_intervals", to=0), "statement.run.estimated_intervals:"),
    Tampering("the engine's version", HOLD, STATEMENT, put("run", "engine_version", to="0"), "statement.run.input_sha256:"),
    Tampering("the exact bill", RICH, STATEMENT, put("run", "with_dollars", to="1.5"), "statement.run.with_dollars:"),
    Tampering("the clock", RICH, "clock.json", put("offsets", 1, "from", to=lambda old: old + 3_600), "clock.offsets:"),
    Tampering("when the period starts", HOLD, "clock.json", put("starts_at", to=lambda old: old + 900), "clock.offsets:"),
    Tampering("a segment's quantity", RICH, RUN, put("segments", "without", 0, "quantity", to="1"), "run.segments.without[0].quantity:"),
    Tampering("a segment's exact amount", HOLD, RUN, put("segments", "with", 0, "exact", to="138.241"), "run.segments.with[0].exact:"),
    Tampering("an earlier month's demand", RICH, RUN, put("facts", "with_node", "peaks_watts", 0, 1, to=30_000), "statement.run.input_sha256:"),
    Tampering("the billing cycle", FLAT, RUN, put("facts", "cycle_end", to="2026-05-02"), "statement.run.input_sha256:"),
    Tampering("the hash before", RICH, "chain.json", put("previous_sha256", to=other_digit), "chain.sha256:"),
    Tampering("the place in the chain", RICH, "chain.json", put("position", to=1), "chain.previous_sha256:"),
    Tampering("the signature", HOLD, "chain.json", put("signature", to=other_digit), "chain.signature:"),
    Tampering("the public key", HOLD, "chain.json", put("public_key", to=other_digit), "chain.signature:"),
    Tampering("the content's hash", HOLD, "chain.json", put("sha256", to=other_digit), "chain.sha256:"),
    Tampering("a posting", HOLD, "ledger.json", put("entries", 0, "postings", 0, "cents", to=more), "ledger.entries[0].postings."),
    Tampering("a posting's account", HOLD, "ledger.json", put("entries", 0, "postings", 0, "account", to="cash"), "ledger.entries[0].postings.cash:"),
    Tampering("an entry's time", HOLD, "ledger.json", put("entries", 0, "at", to="2026-05-02T00:00:00+00:00"), "ledger.entries[0].at:"),
    Tampering("what is revised", REVISED, "revises/statement.json", put("lines", 0, "with_cents", to=more), "revises/chain.sha256:"),
    Tampering("which is revised", REVISED, STATEMENT, put("revises", to=7), "revises.number:"),
    Tampering("the file's hash", HOLD, "manifest.json", put("sha256", "run.json", to=other_digit), "run.json:"),
]
# fmt: on
