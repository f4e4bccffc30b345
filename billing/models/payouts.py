"""Money on its way to a host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q

from homes.models import Home, Party


class Payout(models.Model):
    """Created, sent, then paid or failed; what was paid may still be returned. Never goes another way (rules.payouts).

    `key` is what the provider is always asked with, however often, so that it pays at most once.
    """

    class State(models.TextChoices):
        CREATED = "created", "Created"
        SENT = "sent", "Sent"
        PAID = "paid", "Paid"
        FAILED = "failed", "Failed"
        RETURNED = "returned", "Returned"

    home = models.ForeignKey(Home, on_delete=models.PROTECT, related_name="payouts")
    host = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="payouts")
    cents = models.PositiveBigIntegerField()
    key = models.CharField(max_length=60, unique=True)
    state = models.CharField(max_length=8, choices=State, default=State.CREATED)
    attempts = models.PositiveIntegerField(default=0)
    reference = models.CharField(max_length=60, blank=True)
    problem = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    returned_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(Party, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    if TYPE_CHECKING:
        home_id: Any

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["host"], condition=Q(state__in=["created", "sent"]), name="one_payout_in_flight"
            ),
            models.CheckConstraint(condition=Q(cents__gte=1), name="payout_pays"),
            models.CheckConstraint(
                condition=Q(state__in=["created", "sent", "paid", "failed", "returned"]), name="payout_state_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.cents} {self.state}"
