"""Which writes were asked for under which key, so that one that is repeated is done once."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from homes.models import User


class KeyedRequest(models.Model):
    """A person's request under an idempotency key of their own: begun, and once it is done, its answer.

    The row is committed before the work begins; the answer in the transaction of the work itself.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="keyed_request_once"),
            models.CheckConstraint(
                condition=Q(finished_at__isnull=True, status__isnull=True)
                | Q(finished_at__isnull=False, status__isnull=False),
                name="keyed_request_answered_when_finished",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} of {self.user_id}"
