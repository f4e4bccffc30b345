"""What was rated: billing periods, runs of the engine over them, and the exact segments that came out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q

from homes.models import Home


def _days() -> Func:
    return Func(F("start"), F("end"), function="daterange", output_field=DateRangeField())


class BillingPeriod(models.Model):
    """Local days [start, end) of one home, from midnight to midnight: so many quarter-hours must have been measured."""

    home = models.ForeignKey(Home, on_delete=models.PROTECT, related_name="billing_periods")
    start = models.DateField()
    end = models.DateField()
    zone = models.CharField(max_length=64)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    interval_count = models.PositiveIntegerField()

    class Meta:
        ordering = ["home", "start"]
        constraints = [
            models.UniqueConstraint(fields=["home", "start"], name="billing_period_once"),
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="billing_period_has_days"),
            ExclusionConstraint(
                name="one_billing_period_a_day",
                expressions=[("home", RangeOperators.EQUAL), (_days(), RangeOperators.OVERLAPS)],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.home_id} {self.start} to {self.end}"


class RatingRun(models.Model):
    """One result of the engine. Append-only; the same input of the same period gives the same run.

    `readings` names the version of each day of each channel, `spans` the tariff version of each span of days, so that
    a stranger can fetch exactly what went in; `reading_count` is how many versions there were of them, so that one more
    shows. `outcome` is what later periods need to know of this one. Dollars are exact, unrounded.
    """

    home = models.ForeignKey(Home, on_delete=models.PROTECT, related_name="rating_runs")
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="runs")
    input_sha256 = models.CharField(max_length=64)
    engine_version = models.CharField(max_length=20)
    tzdata_version = models.CharField(max_length=20)
    readings = models.JSONField()
    reading_count = models.PositiveIntegerField()
    spans = models.JSONField()
    facts = models.JSONField(default=dict)
    outcome = models.JSONField(default=dict)
    site_import_wh = models.BigIntegerField()
    site_export_wh = models.BigIntegerField()
    node_wh = models.BigIntegerField()
    estimated_intervals = models.PositiveIntegerField(default=0)
    with_dollars = models.DecimalField(max_digits=60, decimal_places=30)
    without_dollars = models.DecimalField(max_digits=60, decimal_places=30)
    rated_at = models.DateTimeField(auto_now_add=True)

    if TYPE_CHECKING:
        home_id: Any
        period_id: int

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["period", "input_sha256"], name="rating_run_once")]

    def __str__(self) -> str:
        return f"run {self.pk} of period {self.period_id}"


class Side(models.TextChoices):
    WITH = "with", "with the node"
    WITHOUT = "without", "without the node"


class Segment(models.Model):
    """exact = quantity x rate x days / of_days, with or without the node. Belongs to its run, and is as fixed.

    In Postgres these are plain `numeric`, which keeps every digit (rules.runs).
    """

    run = models.ForeignKey(RatingRun, on_delete=models.PROTECT, related_name="segments")
    side = models.CharField(max_length=7, choices=Side)
    ordinal = models.PositiveSmallIntegerField()
    component = models.CharField(max_length=16)
    span = models.PositiveSmallIntegerField()
    tou_period = models.PositiveSmallIntegerField(null=True)
    tier = models.PositiveSmallIntegerField(null=True)
    quantity = models.DecimalField(max_digits=60, decimal_places=30)
    unit = models.CharField(max_length=8)
    rate = models.DecimalField(max_digits=60, decimal_places=30)
    exact = models.DecimalField(max_digits=60, decimal_places=30)
    label = models.CharField(max_length=160)
    days = models.PositiveSmallIntegerField(default=1)
    of_days = models.PositiveSmallIntegerField(default=1)

    class Meta:
        ordering = ["run", "side", "ordinal"]
        constraints = [models.UniqueConstraint(fields=["run", "side", "ordinal"], name="segment_once")]

    def __str__(self) -> str:
        return f"{self.side} {self.label}: {self.exact}"
