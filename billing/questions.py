"""The only writer of questions about statements: a household asks, the desk answers, once each."""

from __future__ import annotations

from django.utils import timezone

from billing.models import Statement, StatementQuestion
from homes.models import Party


class AnsweredAlready(ValueError):
    """An answer is given once."""


class NoSuchLine(LookupError):
    """The statement has no line of that ordinal."""


def ask(statement: Statement, text: str, by: Party, line: int | None = None) -> StatementQuestion:
    """Ask about an issued statement, or about one of its lines. The database refuses any other. Raises NoSuchLine."""
    if line is not None and not statement.lines.filter(ordinal=line).exists():
        raise NoSuchLine(f"statement {statement.number} has no line {line}")
    return StatementQuestion.objects.create(
        home_id=statement.home_id, statement=statement, line=line, text=text.strip(), asked_by=by
    )


def answer(question: StatementQuestion, text: str, by: Party) -> StatementQuestion:
    """For the desk. Raises AnsweredAlready."""
    unanswered = StatementQuestion.objects.filter(pk=question.pk, answered_at__isnull=True)
    if not unanswered.update(answer=text.strip(), answered_by=by, answered_at=timezone.now()):
        raise AnsweredAlready(f"question {question.pk} has an answer")
    question.refresh_from_db()
    return question
