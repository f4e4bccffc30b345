"""What a household asks about a statement, and what the desk answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q

from billing.models.statements import Statement
from homes.models import Home, Party


class StatementQuestion(models.Model):
    """Asked once, answered once; neither ever changes (rules.questions). `line`: the ordinal of the line meant."""

    home = models.ForeignKey(Home, on_delete=models.PROTECT, related_name="questions")
    statement = models.ForeignKey(Statement, on_delete=models.PROTECT, related_name="questions")
    line = models.PositiveSmallIntegerField(null=True, blank=True)
    text = models.CharField(max_length=2000)
    asked_by = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(auto_now_add=True)
    answer = models.CharField(max_length=2000, blank=True)
    answered_by = models.ForeignKey(Party, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    answered_at = models.DateTimeField(null=True, blank=True)

    if TYPE_CHECKING:
        home_id: Any

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=~Q(text=""), name="question_asks_something"),
            models.CheckConstraint(
                condition=Q(answer="", answered_at__isnull=True, answered_by__isnull=True)
                | (~Q(answer="") & Q(answered_at__isnull=False)),
                name="question_answered_whole",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="question_open", condition=Q(answered_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"question {self.pk} on statement {self.statement_id}"
