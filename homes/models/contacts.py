"""Whom a household calls: the operator's people who answer for the homes of a site group."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models

from homes.models.places import Home

PHONE: RegexValidator = RegexValidator(
    r"^\+?[0-9][0-9 ().-]{5,}[0-9]$", "Write a telephone number such as (555) 555-0142 or +1 555 555 0142."
)


class OperatorContactQuerySet(models.QuerySet["OperatorContact"]):
    def of(self, home: Home) -> OperatorContact | None:
        """Of the home's own site group, else the one for all that have none of their own."""
        return self.filter(site_group__in={"", home.site_group}).order_by("-site_group").first()


class OperatorContact(models.Model):
    """A telephone that somebody of the operator answers. An empty site group: for all without one of their own."""

    site_group = models.CharField(max_length=60, unique=True, blank=True)
    name = models.CharField(max_length=80)
    phone = models.CharField(max_length=30, validators=[PHONE])
    hours = models.CharField(max_length=80)
    """When it is answered, as it reads after the number: day and night."""
    emergency_words = models.CharField(max_length=300, blank=True)
    """From the operator's safety file: what to know of coolant and cabinet. Empty: nothing is claimed."""

    objects = OperatorContactQuerySet.as_manager()

    class Meta:
        ordering = ["site_group"]

    def __str__(self) -> str:
        return f"{self.name} for {self.site_group or 'all others'}"

    @property
    def dial(self) -> str:
        """The number for a `tel:` link."""
        return "".join(sign for sign in self.phone if sign.isdigit() or sign == "+")
