"""What is decided about months and their statements; by pages and API alike. Each is called within `doing`'s care."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from django.db import transaction
from django.urls import reverse

from billing import closing, corrections, freshness, questions, recording, statements
from billing.models import Close, CloseItem, Quarantine, Statement, StatementQuestion
from billing.tasks import continue_close
from homes.models import User
from xfra_portal import formats
from xfra_portal.desk.done import Done, Refused

Stage = CloseItem.Stage


def _month_page(month: date) -> str:
    return reverse("desk-month", args=[month])


def _statement_page(statement: Statement) -> str:
    return reverse("desk-statement", args=[statement.pk])


def _wake(close_id: int) -> None:
    """A worker, now; if that fails, beat wakes one within seconds."""
    transaction.on_commit(lambda: continue_close.apply_async(args=[close_id], expires=600), robust=True)


def begin(by: User, month: date) -> Done:
    """Begin a month's close, or take it up again: what was held is tried once more."""
    close = closing.begin(month, by.party)
    waiting = closing.progress(close).stages.get(Stage.WAITING, 0)
    _wake(close.pk)
    words = f"{month:%B %Y} is being closed: {formats.count(waiting, 'home')} to rate."
    return Done("close_begun", words, _month_page(month), subject=f"{month:%Y-%m}", made=close.pk)


def approve(by: User, close: Close, items: Sequence[int] | None) -> Done:
    """Drafts, all or those of some items of the close."""
    count = closing.review(close, by.party, items)
    return _decided(close, count, "approved", "approved", items)


def take_back(close: Close, items: Sequence[int]) -> Done:
    return _decided(close, closing.take_back(close, items), "approval_withdrawn", "taken back: a draft again", items)


def _decided(close: Close, count: int, kind: str, verb: str, items: Sequence[int] | None) -> Done:
    if not count:
        raise Refused("No such draft is here any more, or none was chosen.")
    words = f"{formats.count(count, 'statement')} of {close.month:%B %Y} {verb}."
    return Done(kind, words, _month_page(close.month), subject=", ".join(map(str, (items or ())[:8])) or "all")


def issue(by: User, close: Close) -> Done:
    """Have workers issue what is approved."""
    count = closing.start_issuing(close, by.party)
    if not count:
        raise Refused("Nothing is approved: approve drafts first.")
    _wake(close.pk)
    words = f"{formats.count(count, 'statement')} of {close.month:%B %Y} {'is' if count == 1 else 'are'} being issued."
    return Done("issued", words, _month_page(close.month), subject=f"{close.month:%Y-%m}")


def correct(statement: Statement, why: str) -> Done:
    """Draft a revision from what is known now; nobody is told before it is issued."""
    revision = corrections.revise(statement, why)
    if revision is None:
        raise Refused("Rated again from all that is known now, not a cent changes: there is nothing to correct.")
    change = formats.change_dollars(revision.total_cents - statement.total_cents)
    words = f"A correction of statement {statement.number} is drafted; what the host owes changes by {change}."
    to = _statement_page(revision)
    return Done("correction_drafted", words, to, statement.home, str(statement.number), why, revision.pk)


def issue_revision(by: User, revision: Statement) -> Done:
    if revision.revises is None:
        raise Refused("This corrects no statement: it is issued with its month.")
    if revision.state == Statement.State.DRAFT and freshness.stale([revision.pk]):
        raise Refused("Readings or tariff changed since this was drafted: draft the correction anew.")
    issued = statements.issue_many([revision.pk], by.party)
    if not issued:
        raise Refused("It has been issued already.")
    number = issued[0].number
    words = f"Statement {number} is issued: it corrects statement {revision.revises.number}, and the host is told."
    to = _statement_page(revision)
    return Done("correction_issued", words, to, revision.home, str(number), revision.why, number)


def answer_reading(by: User, question: Quarantine, accepts: bool, why: str) -> Done:
    """Take values that were doubted, or leave the stretch unknown."""
    (recording.accept if accepts else recording.discard)(question, by, why)
    on = question.started_at.astimezone(question.home.zone)
    what = "accepted" if accepts else "discarded: they are unknown now"
    channel = question.get_channel_display().lower()
    words = f"Readings of {question.home.name}, {channel}, {on:%b} {on.day} {formats.clock(on)}, {what}."
    kind = "readings_accepted" if accepts else "readings_discarded"
    return Done(kind, words, reverse("desk-exceptions"), question.home, str(question.pk), why, question.pk)


def answer_question(by: User, question: StatementQuestion, text: str) -> Done:
    questions.answer(question, text, by.party)
    words = f"The question about statement {question.statement.number} of {question.home.name} is answered."
    to = reverse("desk-questions")
    return Done("question_answered", words, to, question.home, str(question.pk), made=question.pk)
