"""Homes and who belongs to them. `Home.objects.visible_to(user)` is the only door to a home."""

from __future__ import annotations

import itertools
import uuid
import zoneinfo
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Self

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from homes.calendar import midnight
from homes.models.people import OperatorRole, Party, User

if TYPE_CHECKING:
    from homes.models.equipment import Battery, InternetLine, Node

SEES_EVERY_HOME = (
    OperatorRole.Role.VIEWER,
    OperatorRole.Role.OPERATOR,
    OperatorRole.Role.BILLING,
    OperatorRole.Role.ADMIN,
)


DAY_LENGTHS = (82_800, 84_600, 86_400, 88_200, 90_000)
"""Seconds that a local day may have: readings are quarter-hours, and clocks change by half an hour or a whole one."""


def validate_timezone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"{name!r} is not an IANA time zone; write it like America/Phoenix.")
    if not _is_billable(name, timezone.now().year):
        raise ValidationError(
            f"{name!r} changes its clock by more than an hour, or not by quarter-hours, which readings do not know;"
            " choose the zone of the home's own utility."
        )


@lru_cache(maxsize=1_024)
def _is_billable(name: str, year: int) -> bool:
    """Whether every local day from the year before to the year after is one that readings know."""
    zone = zoneinfo.ZoneInfo(name)
    first = date(year - 1, 1, 1)
    edges = [int(midnight(zone, first + timedelta(days=n)).timestamp()) for n in range(3 * 366)]
    return all(edge % 900 == 0 and after - edge in DAY_LENGTHS for edge, after in itertools.pairwise(edges))


class HomeQuerySet(models.QuerySet["Home"]):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Homes this person may know of: their own, every home for most staff, open work orders for a technician."""
        if not isinstance(user, User) or not user.is_active:
            return self.none()
        role = user.operator_role
        if role in SEES_EVERY_HOME:
            return self
        own = models.Q(pk__in=Membership.objects.filter(user=user).values("home_id"))
        if role == OperatorRole.Role.TECHNICIAN:
            own |= models.Q(node__work_orders__technician=user, node__work_orders__closed_at__isnull=True)
        return self.filter(own).distinct()


class Home(models.Model):
    """A house with a node on its wall. Holds no address: that is in HomeAddress, for fewer eyes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80)
    timezone = models.CharField(max_length=64, validators=[validate_timezone])
    utility = models.CharField(max_length=80)
    service_amperes = models.PositiveSmallIntegerField(default=200)
    site_group = models.CharField(max_length=60, blank=True)
    feeder = models.CharField(max_length=60, blank=True)
    is_simulated = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    if TYPE_CHECKING:
        node: Node
        battery: Battery
        internet_line: InternetLine

    objects = HomeQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.timezone)

    @property
    def usable_amperes(self) -> float:
        """What may flow continuously: 80 % of the service's rating (NEC 210.20)."""
        return 0.8 * self.service_amperes

    def role_of(self, user: User) -> str | None:
        """This person's role in the household: owner, member, viewer, or None for everybody else."""
        membership = self.memberships.filter(user=user).first()
        return membership.role if membership else None


class HomeAddress(models.Model):
    """Where a home is. Visible to its owner and members, technicians on an open order, and administrators."""

    home = models.OneToOneField(Home, on_delete=models.CASCADE, primary_key=True, related_name="address")
    party = models.ForeignKey(Party, on_delete=models.PROTECT, null=True, blank=True, related_name="addresses")
    street = models.CharField(max_length=160)
    city = models.CharField(max_length=80)
    state = models.CharField(max_length=2)
    postal_code = models.CharField(max_length=10)

    def __str__(self) -> str:
        return f"address of {self.home_id}"


class Membership(models.Model):
    """A person's place in a household."""

    class Role(models.TextChoices):
        OWNER = "owner", "Owner"
        MEMBER = "member", "Member"
        VIEWER = "viewer", "Viewer"

    home = models.ForeignKey(Home, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["home", "user"], name="membership_once"),
            models.UniqueConstraint(fields=["home"], condition=models.Q(role="owner"), name="home_has_one_owner"),
            models.CheckConstraint(
                condition=models.Q(role__in=["owner", "member", "viewer"]), name="membership_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.home_id}: {self.role}"
