"""What samples are about, besides nodes and GPUs. The samples themselves live in telemetry.tables."""

from __future__ import annotations

from typing import Final

from django.db import models
from django.db.models.functions import Now

from homes.models import Node

MAX_OTHER_SERIES: Final = 12_000
"""Of one node, in the database: four times what its door takes within an hour. A trigger sees to it too."""
MAX_GPUS: Final = 64
"""Of one node, that are there or were within FREED_DAYS: four times what it is built for. A trigger sees to it too."""
MAX_CIRCUITS: Final = 128
"""Of one node, that were heard within FREED_DAYS: three full panels. A trigger sees to it too."""
FREED_DAYS: Final = 30
"""So long after it was heard last a GPU or circuit takes no place any more. Its name stays, for its history."""


class Circuit(models.Model):
    """A named household circuit behind a node's panel, known from its first sample.

    `seen_at` is when a worker looked it up last, to a few hours.
    """

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="circuits")
    name = models.CharField(max_length=60)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node", "name"], name="circuit_once")]

    def __str__(self) -> str:
        return self.name


class OtherSeries(models.Model):
    """A series outside the catalogue: kept in the generic table within the node's series budget.

    It goes when no sample of it is kept any more. `seen_at` is roughly when a worker looked it up last: what a worker
    may still remember stays.
    """

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="+")
    name = models.TextField()
    labels = models.JSONField()
    digest = models.BinaryField(max_length=16)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node", "digest"], name="other_series_once")]

    def __str__(self) -> str:
        return self.name
