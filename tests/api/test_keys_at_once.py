"""Two requests under one key at the same time, in real transactions."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connections, transaction

from billing import questions
from billing.models import StatementQuestion
from tests.billing.committed import World, _django_db_helper, world
from tests.cast import build, needs_database
from tests.portal.money import billed

__all__ = ["_django_db_helper", "world"]
pytestmark = needs_database


def test_while_the_first_is_at_work_the_second_is_told_so_and_does_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction.atomic():
        cast = build()
        number = billed(cast.home)[1].number
    address = f"/api/v1/homes/{cast.home.pk}/statements/{number}/questions"
    begun, may_go_on, answers, really = threading.Event(), threading.Event(), [], questions.ask

    def slowly(*arguments: Any) -> StatementQuestion:
        found = really(*arguments)
        begun.set()
        assert may_go_on.wait(20)
        return found

    def knock() -> None:
        client = cast.client("member")
        headers = {"Idempotency-Key": "the-same-key"}
        answer = client.post(address, {"text": "Why?!"}, content_type="application/json", headers=headers)
        answers.append(answer.status_code)

    def knock_apart() -> None:
        knock()
        connections.close_all()

    monkeypatch.setattr(questions, "ask", slowly)
    first = threading.Thread(target=knock_apart)
    first.start()
    assert begun.wait(20)
    knock()
    may_go_on.set()
    first.join(20)
    assert answers == [409, 201]
    assert StatementQuestion.objects.count() == 1
    knock()
    assert answers == [409, 201, 201]
    assert StatementQuestion.objects.count() == 1
