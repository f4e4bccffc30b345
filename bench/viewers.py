"""People who watch, made beside a running portal: `python -m bench.viewers HOMES` in the stack's environment.

Prints JSON: {"staff": session, "homes": [{"home", "node", "hostname", "session"}]}. Each home's owner and one operator
are signed in already: what is measured is the watching.
"""

from __future__ import annotations

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xfra_portal.settings")
os.environ["XFRA_ACCESS"] = "system"
django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402

from homes.models import Membership, Node, OperatorRole, User  # noqa: E402


def session_of(user: User) -> str:
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    return str(store.session_key)


def main() -> None:
    staff = User.objects.create_user("operator@bench.example", name="Bench Operator")
    OperatorRole.objects.create(user=staff, role=OperatorRole.Role.OPERATOR)
    homes = []
    for node in Node.objects.select_related("home").order_by("hostname")[: int(sys.argv[1])]:
        owner = User.objects.create_user(f"{node.hostname}@bench.example", name=f"Host of {node.hostname}")
        Membership.objects.create(home=node.home, user=owner, role=Membership.Role.OWNER)
        found = {"home": str(node.home.pk), "node": node.pk, "hostname": node.hostname, "session": session_of(owner)}
        homes.append(found)
    json.dump({"staff": session_of(staff), "homes": homes}, sys.stdout)


if __name__ == "__main__":
    main()
