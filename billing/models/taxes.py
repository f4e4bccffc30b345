"""From how much a year on a payment to a host is reported."""

from __future__ import annotations

from django.db import models


class TaxThreshold(models.Model):
    """Applies to payments made on `valid_from` and later, until a later row does. Append-only."""

    class Form(models.TextChoices):
        MISC = "1099-MISC", "1099-MISC"
        NEC = "1099-NEC", "1099-NEC"

    form = models.CharField(max_length=10, choices=Form)
    valid_from = models.DateField()
    cents = models.PositiveBigIntegerField()
    source = models.CharField(max_length=200)

    class Meta:
        ordering = ["form", "valid_from"]
        constraints = [models.UniqueConstraint(fields=["form", "valid_from"], name="tax_threshold_once")]

    def __str__(self) -> str:
        return f"{self.form} from {self.valid_from}: {self.cents}"
