"""Questions about statements, and keys of writes: what Postgres refuses whatever Python asks."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.utils import timezone

from billing import questions
from billing.models import KeyedRequest, Statement, StatementQuestion
from billing.questions import AnsweredAlready, NoSuchLine
from homes.access import acting_as, acting_as_system
from tests.billing.checks import refused
from tests.billing.months import draft, issue, settle_in, usual
from tests.cast import Cast, needs_database

pytestmark = needs_database


@pytest.fixture
def statement(cast: Cast) -> Statement:
    with acting_as_system():
        settle_in(cast.home)
        usual(cast.home)
        return issue(cast.home)


def asked(cast: Cast, statement: Statement, name: str = "member") -> StatementQuestion:
    with acting_as(cast.people[name].pk):
        return questions.ask(statement, "  Why?  ", cast.people[name].party, 1)


def test_it_is_answered_once(cast: Cast, statement: Statement) -> None:
    question, clerk = asked(cast, statement), cast.people["billing"]
    assert question.text == "Why?"
    with acting_as(clerk.pk):
        assert questions.answer(question, "Because.", clerk.party).answer == "Because."
        with pytest.raises(AnsweredAlready):
            questions.answer(question, "No.", clerk.party)


def test_a_line_that_is_not_there_cannot_be_asked_about(cast: Cast, statement: Statement) -> None:
    with acting_as_system(), pytest.raises(NoSuchLine):
        questions.ask(statement, "Why?", cast.people["owner"].party, 99)


@pytest.mark.parametrize("name", ["viewer", "outsider", "operator", "technician"])
def test_who_sees_no_money_neither_asks_nor_reads(cast: Cast, statement: Statement, name: str) -> None:
    asked(cast, statement)
    with acting_as(cast.people[name].pk):
        assert not StatementQuestion.objects.exists()
        with refused("row-level security"):
            StatementQuestion.objects.create(
                home=cast.home, statement=statement, text="Why?", asked_by=cast.people[name].party
            )


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE billing_statementquestion SET text = 'other'",
        "UPDATE billing_statementquestion SET answer = 'mine', answered_at = now()",
        "DELETE FROM billing_statementquestion",
    ],
)
def test_the_household_changes_nothing_that_was_asked(cast: Cast, statement: Statement, change: str) -> None:
    asked(cast, statement)
    with acting_as(cast.people["member"].pk), connection.cursor() as cursor:
        cursor.execute(change)
        assert cursor.rowcount == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE billing_statementquestion SET text = 'other'", "is what was said"),
        ("UPDATE billing_statementquestion SET answer = 'again'", "is what was said"),
        ("UPDATE billing_statementquestion SET line = 77", "no line 77"),
        ("DELETE FROM billing_statementquestion", ""),
    ],
)
def test_nor_does_the_system(cast: Cast, statement: Statement, change: str, said: str) -> None:
    question, clerk = asked(cast, statement), cast.people["billing"]
    with acting_as_system():
        questions.answer(question, "Because.", clerk.party)
        with connection.cursor() as cursor:
            if said:
                with refused(said):
                    cursor.execute(change)
            else:  # nobody has a policy to delete
                cursor.execute(change)
                assert cursor.rowcount == 0


def test_a_draft_is_not_asked_about(cast: Cast) -> None:
    with acting_as_system():
        settle_in(cast.home)
        usual(cast.home)
        one = draft(cast.home)
        with refused("about an issued statement"):
            questions.ask(one, "Why?", cast.people["owner"].party)


def test_a_key_is_its_persons_own(cast: Cast) -> None:
    owner, member = cast.people["owner"], cast.people["member"]
    with acting_as(owner.pk):
        KeyedRequest.objects.create(user=owner, key="a-key-of-mine", sha256="0" * 64, started_at=timezone.now())
        with refused("row-level security"), transaction.atomic():
            KeyedRequest.objects.create(user=member, key="a-key-of-theirs", sha256="0" * 64, started_at=timezone.now())
    with acting_as(member.pk):
        assert not KeyedRequest.objects.exists()
        assert not KeyedRequest.objects.update(status=201)
