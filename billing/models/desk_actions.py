"""What people did at the billing desk: who, what, about what, why. Append-only (rules.desk_actions)."""

from __future__ import annotations

from django.db import models

from homes.models import Home, Party


class DeskAction(models.Model):
    """`what` is a sentence as the desk shows it; it names no person, because it is kept when a person is erased."""

    by = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="+")
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
            models.CheckConstraint(condition=~models.Q(kind="") & ~models.Q(what=""), name="desk_action_says_what")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}: {self.what}"
