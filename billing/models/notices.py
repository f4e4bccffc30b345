"""The outbox: what people are to be told, written in the transaction that made it true."""

from __future__ import annotations

from django.db import models

from homes.models import Home


class Notice(models.Model):
    """`key` makes a notice unique, so that what is done again is not told again."""

    class Kind(models.TextChoices):
        ISSUED = "issued", "Statement issued"
        REVISED = "revised", "Statement revised"
        PAID = "paid", "Payout arrived"
        FAILED = "failed", "Payout failed or came back"

    home = models.ForeignKey(Home, on_delete=models.PROTECT, related_name="notices")
    kind = models.CharField(max_length=10, choices=Kind)
    key = models.CharField(max_length=80, unique=True)
    facts = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["id"], name="notice_unsent", condition=models.Q(sent_at__isnull=True))]

    def __str__(self) -> str:
        return self.key
