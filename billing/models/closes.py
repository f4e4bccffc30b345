"""A month's close: which homes it has to bring from readings to an issued statement, and how far each is."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from billing.models.statements import Statement
from homes.models import Home, Party


class Close(models.Model):
    """One per month, however often and by however many it is started.

    `issuing_by` is who has decided that what is reviewed be issued; workers issue nothing while it is empty.
    """

    month = models.DateField(unique=True)
    started_at = models.DateTimeField(auto_now_add=True)
    started_by = models.ForeignKey(Party, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    finished_at = models.DateTimeField(null=True, blank=True)
    issuing_by = models.ForeignKey(Party, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["-month"]

    def __str__(self) -> str:
        return f"{self.month:%B %Y}"


class CloseItem(models.Model):
    """One home's days [start, end) of a close. `problem` says why it is held, and `remedy` what helps."""

    class Stage(models.TextChoices):
        WAITING = "waiting", "Waiting"
        HELD = "held", "Held: somebody must look"
        DRAFTED = "drafted", "Rated and drafted"
        REVIEWED = "reviewed", "Reviewed"
        ISSUED = "issued", "Issued, posted and announced"

    close = models.ForeignKey(Close, on_delete=models.PROTECT, related_name="items")
    home = models.ForeignKey(Home, on_delete=models.PROTECT, related_name="close_items")
    start = models.DateField()
    end = models.DateField()
    stage = models.CharField(max_length=8, choices=Stage, default=Stage.WAITING)
    code = models.CharField(max_length=30, blank=True)
    problem = models.CharField(max_length=300, blank=True)
    remedy = models.CharField(max_length=200, blank=True)
    statement = models.ForeignKey(
        Statement, on_delete=models.SET_NULL, null=True, blank=True, related_name="close_items"
    )
    reviewed_by = models.ForeignKey(Party, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["close", "id"]
        indexes = [models.Index(fields=["close", "stage", "id"])]
        constraints = [
            models.UniqueConstraint(fields=["close", "home", "start"], name="close_item_once"),
            models.CheckConstraint(condition=~Q(stage="held") | ~Q(problem=""), name="held_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.home_id} {self.start}: {self.stage}"
