"""What the utility asked for, and how that compares with what was computed."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from billing.models.statements import Statement
from homes.models import Home, Party


class UtilityBill(models.Model):
    """The utility's own bill for local days [start, end), as somebody entered it. Append-only."""

    home = models.ForeignKey(Home, on_delete=models.PROTECT, related_name="utility_bills")
    number = models.CharField(max_length=60)
    start = models.DateField()
    end = models.DateField()
    import_wh = models.PositiveBigIntegerField(null=True, blank=True)
    cents = models.BigIntegerField()
    entered_at = models.DateTimeField(auto_now_add=True)
    entered_by = models.ForeignKey(Party, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["-start", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["home", "number"], name="utility_bill_once"),
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="utility_bill_has_days"),
        ]

    def __str__(self) -> str:
        return f"{self.number} of {self.home_id}"


class Reconciliation(models.Model):
    """A utility's bill beside the statement of the same days: what differs, and what was found out. Append-only."""

    class Verdict(models.TextChoices):
        AGREES = "agrees", "Agrees to the cent"
        TOLERABLE = "tolerable", "Differs within the tolerance"
        DIFFERS = "differs", "Differs: somebody must look"
        EXPLAINED = "explained", "Differs, explained"

    home = models.ForeignKey(Home, on_delete=models.PROTECT, related_name="reconciliations")
    bill = models.ForeignKey(UtilityBill, on_delete=models.PROTECT, related_name="reconciliations")
    statement = models.ForeignKey(Statement, on_delete=models.PROTECT, related_name="reconciliations")
    billed_cents = models.BigIntegerField()
    computed_cents = models.BigIntegerField()
    difference_wh = models.BigIntegerField(null=True, blank=True)
    verdict = models.CharField(max_length=10, choices=Verdict)
    note = models.CharField(max_length=300, blank=True)
    made_at = models.DateTimeField(auto_now_add=True)
    made_by = models.ForeignKey(Party, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["-made_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=~Q(verdict="explained") | ~Q(note=""), name="explanation_is_given"),
            models.CheckConstraint(
                condition=~Q(verdict="agrees") | Q(billed_cents=F("computed_cents")), name="agreement_is_exact"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bill_id}: {self.verdict}"

    @property
    def difference_cents(self) -> int:
        """What the utility asked for beyond what was computed."""
        return self.billed_cents - self.computed_cents
