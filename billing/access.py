"""Whose money somebody may see: the Python side of what rules.row_security makes Postgres refuse."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from homes.models import Home, Membership, OperatorRole, User

DESK: Final = (OperatorRole.Role.BILLING, OperatorRole.Role.ADMIN)
"""Roles of the operator's staff who see and change money."""


def billed_homes(user: User | AnonymousUser) -> QuerySet[Home]:
    """Homes whose statements, ledger and tariffs this person may see: owner and member, billing and admin."""
    return _homes(user, (Membership.Role.OWNER, Membership.Role.MEMBER))


def contracted_homes(user: User | AnonymousUser) -> QuerySet[Home]:
    """Homes whose agreement and payouts this person may see: its owner, billing and admin."""
    return _homes(user, (Membership.Role.OWNER,))


def is_desk(user: User | AnonymousUser) -> bool:
    return isinstance(user, User) and user.is_active and user.operator_role in DESK


def _homes(user: User | AnonymousUser, roles: tuple[Membership.Role, ...]) -> QuerySet[Home]:
    if not isinstance(user, User) or not user.is_active:
        return Home.objects.none()
    if is_desk(user):
        return Home.objects.all()
    return Home.objects.filter(pk__in=Membership.objects.filter(user=user, role__in=roles).values("home_id"))
