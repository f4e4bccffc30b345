"""The log of the billing desk: who, by which way, what, about what, why. Append-only (rules.desk_actions)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from homes.models import Home, Party


class DeskAction(models.Model):
    """`what` is a sentence as the desk shows it; it names no person, because it is kept when a person is erased.

    `by` is who did it or had it done; nobody where the portal or somebody at the server did.
    """

    class Way(models.TextChoices):
        PAGE = "page", "on a page"
        API = "api", "by the API"
        WORKER = "worker", "The portal's worker"
        COMMAND = "command", "A command on the server"
        DEMO = "demo", "The demo's simulated past"

    by = models.ForeignKey(Party, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    way = models.CharField(max_length=8, choices=Way)
    at = models.DateTimeField(auto_now_add=True)
    home = models.ForeignKey(Home, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    kind = models.CharField(max_length=30)
    subject = models.CharField(max_length=60, blank=True)
    what = models.CharField(max_length=400)
    why = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["home", "-id"], name="desk_action_of_home")]
        constraints = [
            models.CheckConstraint(condition=~Q(kind="") & ~Q(what=""), name="desk_action_says_what"),
            models.CheckConstraint(
                condition=Q(by__isnull=False) | Q(way__in=("worker", "command", "demo")), name="desk_action_says_who"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}: {self.what}"

    @property
    def who(self) -> str:
        """As the log shows it."""
        way = self.Way(self.way)
        if self.by is None:
            return str(way.label)
        return f"{self.by}, {way.label}" if way in (self.Way.PAGE, self.Way.API) else f"{way.label}, for {self.by}"
