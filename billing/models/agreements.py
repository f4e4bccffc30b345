"""What host and operator agreed on, from when until when."""

from __future__ import annotations

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import Q

from homes.models import Home, Party


class Payer(models.TextChoices):
    HOST = "host", "you"
    OPERATOR = "operator", "we"


class Settlement(models.TextChoices):
    HOLD_HARMLESS = "hold_harmless", "The node costs you nothing"
    FLAT_HOST_FEE = "flat_host_fee", "You pay a flat fee"
    CREDIT_PER_KWH = "credit_per_kwh", "We credit each kWh of the node"


class Agreement(models.Model):
    """One version of a home's agreement, in force on the local days of `span`.

    Concluded, nothing of it but the end of its span may change, and never into days that are billed
    (rules.agreements). `fixed_monthly` is a list of {"label", "cents", "to": "host" | "operator"}; `internet_cents`
    is what the line costs a month, whoever pays it. What a statement says that the host owes is due `due_days` after
    its issue, and `how_paid` is a sentence to the host on how.
    """

    home = models.ForeignKey(Home, on_delete=models.PROTECT, related_name="agreements")
    version = models.PositiveIntegerField()
    span = DateRangeField()
    utility_payer = models.CharField(max_length=8, choices=Payer)
    internet_payer = models.CharField(max_length=8, choices=Payer)
    settlement = models.CharField(max_length=16, choices=Settlement)
    fee_cents = models.PositiveIntegerField(null=True, blank=True)
    credit_per_kwh = models.DecimalField(max_digits=9, decimal_places=6, null=True, blank=True)
    internet_cents = models.PositiveIntegerField(default=0)
    fixed_monthly = models.JSONField(default=list, blank=True)
    due_days = models.PositiveSmallIntegerField()
    how_paid = models.CharField(max_length=200, blank=True)
    concluded_at = models.DateTimeField(auto_now_add=True)
    concluded_by = models.ForeignKey(Party, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["home", "version"]
        constraints = [
            models.UniqueConstraint(fields=["home", "version"], name="agreement_version_once"),
            ExclusionConstraint(
                name="one_agreement_a_day",
                expressions=[("home", RangeOperators.EQUAL), ("span", RangeOperators.OVERLAPS)],
            ),
            models.CheckConstraint(
                condition=Q(span__isempty=True) | Q(span__startswith__isnull=False), name="agreement_begins"
            ),
            models.CheckConstraint(condition=Q(due_days__range=(1, 120)), name="agreement_leaves_time_to_pay"),
            models.CheckConstraint(
                condition=Q(utility_payer__in=Payer.values, internet_payer__in=Payer.values),
                name="agreement_payers_known",
            ),
            models.CheckConstraint(
                condition=Q(settlement="hold_harmless", fee_cents__isnull=True, credit_per_kwh__isnull=True)
                | Q(settlement="flat_host_fee", fee_cents__isnull=False, credit_per_kwh__isnull=True)
                | Q(settlement="credit_per_kwh", fee_cents__isnull=True, credit_per_kwh__gte=0),
                name="agreement_settles_one_way",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.home_id} v{self.version}: {self.settlement} on {self.span}"
