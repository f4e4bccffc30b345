"""Tariffs, their versions as published, and which home is billed by which tariff from when until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models

from homes.models import Home, Party


class Tariff(models.Model):
    """One line of a utility's tariff book; what it says at a time is in its versions."""

    utility = models.CharField(max_length=80)
    name = models.CharField(max_length=120)
    label = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["utility", "name"]
        constraints = [models.UniqueConstraint(fields=["utility", "name"], name="tariff_once")]

    def __str__(self) -> str:
        return f"{self.utility}: {self.name}"


class TariffVersionQuerySet(models.QuerySet["TariffVersion"]):
    def published(self) -> Self:
        return self.filter(published_at__isnull=False)


class TariffVersion(models.Model):
    """A tariff document. Once published the database refuses any change (rules.tariffs).

    It applies from the local day `valid_from` until a later published version does; of two from the same day the
    higher version wins. `known_at` says when the operator learnt of it.
    """

    tariff = models.ForeignKey(Tariff, on_delete=models.PROTECT, related_name="versions")
    version = models.PositiveIntegerField()
    document = models.JSONField()
    sha256 = models.CharField(max_length=64)
    valid_from = models.DateField()
    known_at = models.DateTimeField()
    note = models.CharField(max_length=200, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    published_by = models.ForeignKey(Party, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    objects: ClassVar = TariffVersionQuerySet.as_manager()

    if TYPE_CHECKING:
        tariff_id: int

    class Meta:
        ordering = ["tariff", "version"]
        constraints = [
            models.UniqueConstraint(fields=["tariff", "version"], name="tariff_version_once"),
            models.CheckConstraint(condition=models.Q(version__gte=1), name="tariff_version_positive"),
            models.CheckConstraint(condition=models.Q(sha256__regex="^[0-9a-f]{64}$"), name="tariff_version_hashed"),
        ]

    def __str__(self) -> str:
        return f"{self.tariff} v{self.version}"


class TariffAssignment(models.Model):
    """A home is billed by a tariff on the local days of `span`. Only its end may change; an empty span is a mistake."""

    home = models.ForeignKey(Home, on_delete=models.PROTECT, related_name="tariff_assignments")
    tariff = models.ForeignKey(Tariff, on_delete=models.PROTECT, related_name="assignments")
    span = DateRangeField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["home", "span"]
        constraints = [
            ExclusionConstraint(
                name="one_tariff_a_day",
                expressions=[("home", RangeOperators.EQUAL), ("span", RangeOperators.OVERLAPS)],
            ),
            models.CheckConstraint(
                condition=models.Q(span__isempty=True) | models.Q(span__startswith__isnull=False),
                name="tariff_assignment_begins",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.home_id}: {self.tariff_id} on {self.span}"
