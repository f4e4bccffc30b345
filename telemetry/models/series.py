"""What samples are about, besides nodes and GPUs. The samples themselves live in telemetry.tables."""

from __future__ import annotations

from django.db import models

from homes.models import Node


class Circuit(models.Model):
    """A named household circuit behind a node's panel, known from its first sample."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="circuits")
    name = models.CharField(max_length=60)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node", "name"], name="circuit_once")]

    def __str__(self) -> str:
        return self.name


class OtherSeries(models.Model):
    """A series outside the catalogue: kept in the generic table within the node's series budget."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="+")
    name = models.TextField()
    labels = models.JSONField()
    digest = models.BinaryField(max_length=16)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node", "digest"], name="other_series_once")]

    def __str__(self) -> str:
        return self.name
