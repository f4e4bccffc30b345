"""One token renewed by many at the same time, in real transactions: case M1 of the design."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core import mail
from django.core.cache import cache
from django.db import connections

from homes.models import User
from tests.billing.committed import World, _django_db_helper, world
from tests.cast import PASSWORD, needs_database
from tests.homes.test_app_sessions import Phone, later, renewed

__all__ = ["_django_db_helper", "world"]
pytestmark = needs_database


def test_m1_of_many_at_once_each_gets_the_same_pair(world: World) -> None:
    cache.clear()  # sign-ins are counted
    User.objects.create_user("owner@cast.example", PASSWORD, name="Olivia")
    phone, begin = Phone(), threading.Barrier(6)

    def renew(_: int) -> tuple[int, dict[str, Any]]:
        begin.wait()
        try:
            return renewed(phone.refresh[0])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(renew, range(6)))
    assert {status for status, _ in answers} == {200}
    assert len({tuple(said["data"].items()) for _, said in answers}) == 1, "one pair for all"
    phone.access, newest = answers[0][1]["data"]["access_token"], answers[0][1]["data"]["refresh_token"]
    phone.refresh.append(newest)
    later(minutes=10)
    assert phone.is_signed_in() and phone.renew() == (200, "") and mail.outbox == []
