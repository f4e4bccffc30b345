"""What a statement says first: what the node cost, and what is owed by when, how, and whether it is paid."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from billing import ledger, receivables
from billing.documents.content import content_of
from billing.documents.sentences import Due, node_cost, outcome
from tests.billing import months
from tests.billing.statement_documents.statements import KINDS
from tests.cast import Cast, needs_database

BY = Due(date(2026, 12, 14), 14, "By bank transfer.")


@pytest.mark.parametrize(
    ("node_cents", "saved_cents", "is_over", "said"),
    [
        (87_428, 8_659, True, "The node cost $874.28. You paid none of it."),
        (87_428, 0, True, "The node cost $874.28. You paid none of it."),
        (67_372, 8_659, False, "The node has cost $673.72 so far. You pay none of it."),
        (
            87_428,
            -1_200,
            True,
            "The node cost $874.28. You paid $12.00 more than the same home would have paid without us.",
        ),
        (0, 8_659, True, "The node cost nothing."),
        (0, 8_659, False, "The node has cost nothing so far."),
        (-150, 8_659, True, "The node lowered the bill by $1.50."),
    ],
)
def test_what_the_node_cost(node_cents: int, saved_cents: int, is_over: bool, said: str) -> None:
    assert node_cost(node_cents, saved_cents, is_over=is_over) == said


@pytest.mark.parametrize(
    ("total_cents", "due", "said"),
    [
        (15_000, BY, "You owe us $150.00 by December 14, 2026. By bank transfer."),
        (
            15_000,
            Due(None, 14, ""),
            "You owe us $150.00 14 days after this is issued. How it is paid is not written in the agreement: ask the"
            " billing desk.",
        ),
        (-10_368, BY, "We owe you $103.68. It goes out with the next payout."),
        (0, BY, "Neither of us owes the other anything for this period."),
    ],
)
def test_what_is_owed(total_cents: int, due: Due, said: str) -> None:
    assert outcome(total_cents, due) == said


@pytest.mark.parametrize(
    ("moves", "open_cents"),
    [
        ([(1, 150), (2, 150)], {1: 150, 2: 150}),
        ([(1, 150), (None, -150), (2, 150)], {1: 0, 2: 150}),
        ([(1, 150), (2, 150), (None, -200)], {1: 0, 2: 100}),
        ([(None, -50), (1, 150)], {1: 100}),
        ([(1, 150), (2, -20)], {1: 130}),
        ([(None, 40), (1, 150), (None, -60)], {1: 130}),
        ([(1, 150), (None, -400)], {1: 0}),
        ([], {}),
    ],
    ids=[
        "nothing paid",
        "the first paid",
        "the oldest first",
        "ahead",
        "taken back",
        "an adjustment",
        "too much",
        "new",
    ],
)
def test_what_comes_in_pays_the_oldest_first(moves: list[tuple[int | None, int]], open_cents: dict[int, int]) -> None:
    assert receivables.allocate(moves) == open_cents


@needs_database
@pytest.mark.usefixtures("as_system")
def test_a_statement_is_due_days_after_its_issue_and_open_until_paid(cast: Cast) -> None:
    statement = KINDS["flat_fee_of_a_part_month"](cast)
    assert statement.issued_on is not None
    assert statement.due_on == statement.issued_on + timedelta(days=months.FLAT.due_days)
    content = content_of(statement)
    assert content.outcome.startswith("You owe us $110.00 by ")
    ((open_one,), total) = receivables.unpaid(cast.home.pk), statement.total_cents
    assert (open_one.statement, open_one.cents) == (statement, total)
    ledger.receive(cast.home.pk, total - 1, "a transfer")
    assert receivables.open_by_statement(cast.home.pk) == {statement.pk: 1}
    ledger.receive(cast.home.pk, 1, "the cent")
    assert receivables.unpaid(cast.home.pk) == []
    assert receivables.open_by_statement(cast.home.pk) == {statement.pk: 0}
