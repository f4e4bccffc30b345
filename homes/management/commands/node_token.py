"""A node's bearer tokens: list them, issue another one, revoke one. To rotate: issue, configure the node, revoke."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError, transaction

from homes.models import Node, NodeCredential


class Command(BaseCommand):
    help = "Lists, issues and revokes the tokens of a node. Two may be live, so that one can take the other's place."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("hostname", help="the node's serial name, such as xfra-00042")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--list", action="store_true", help="which tokens there are, and when they were used")
        what.add_argument("--issue", action="store_true", help="print another token, which is shown only now")
        what.add_argument("--revoke", type=int, metavar="ID", help="refuse this token for good: the ID in xfn_ID_...")

    def handle(self, *args: Any, **options: Any) -> None:
        node = Node.objects.filter(hostname=options["hostname"]).first()
        if node is None:
            raise CommandError(f"no node is called {options['hostname']}; manage.py provision_node makes one")
        if options["issue"]:
            self._issue(node)
        elif options["revoke"] is not None:
            self._revoke(node, options["revoke"])
        else:
            self._list(node)

    def _issue(self, node: Node) -> None:
        try:
            with transaction.atomic():  # shown, or not issued
                _, token = NodeCredential.issue(node)
                self.stdout.write(f"token: {token}")
                self.stdout.flush()
        except IntegrityError as error:
            self._list(node)
            raise CommandError(str(error).splitlines()[0]) from error
        except OSError as error:
            raise CommandError(f"cannot show the token, so none was issued: {error}") from error

    def _revoke(self, node: Node, credential_id: int) -> None:
        credential = NodeCredential.objects.filter(node=node, pk=credential_id).first()
        if credential is None:
            raise CommandError(f"{node.hostname} has no token {credential_id}; --list shows which it has")
        credential.revoke()
        self._list(node)
        if not NodeCredential.objects.live().filter(node=node).exists():
            self.stdout.write(f"{node.hostname} has no live token now: what it sends is refused")

    def _list(self, node: Node) -> None:
        for one in NodeCredential.objects.filter(node=node).order_by("pk"):
            state = f"revoked {_minute(one.revoked_at)}" if one.revoked_at else "live"
            used = f"last used {_minute(one.last_used_at)}" if one.last_used_at else "never used"
            self.stdout.write(f"{one}  {state}, issued {_minute(one.created_at)}, {used}")


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
