"""Several who issue a token of one node at the same time, in real transactions."""

from __future__ import annotations

from threading import Thread

from django.db import IntegrityError, connections, transaction

from homes.access import acting_as_system
from homes.models import NodeCredential
from tests.billing.committed import World, _django_db_helper, world
from tests.cast import build, needs_database

__all__ = ["_django_db_helper", "world"]
pytestmark = needs_database


def test_two_who_issue_at_once_do_not_make_three(world: World) -> None:
    with transaction.atomic():
        cast = build()
    refused = []

    def issue() -> None:
        try:
            with acting_as_system(), transaction.atomic():
                NodeCredential.issue(cast.node)
        except IntegrityError as error:
            refused.append(error)
        finally:
            connections.close_all()

    threads = [Thread(target=issue) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with acting_as_system():
        assert NodeCredential.objects.live().filter(node=cast.node).count() == 2
    assert len(refused) == 3
