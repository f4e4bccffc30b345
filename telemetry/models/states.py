"""Node state in the database: what it is now, and the spans it has been through."""

from __future__ import annotations

from django.db import models

from homes.models import Gpu, Node


class NodeStatusRow(models.Model):
    """The state of a node now. One writer: telemetry.states."""

    node = models.OneToOneField(Node, on_delete=models.CASCADE, primary_key=True, related_name="+")
    state = models.CharField(max_length=12)
    cause = models.CharField(max_length=20, blank=True)
    since = models.DateTimeField()
    as_of = models.DateTimeField()
    """Up to when what came in has been looked at."""
    heard_at = models.DateTimeField(null=True)
    """Of when its newest reading is, by its own clock."""
    delivered_at = models.DateTimeField(null=True)
    """When anything last came from it, by the portal's clock."""
    newest_at = models.DateTimeField(null=True)
    """Of when the newest sample is of what last came from it, of whatever family, by its own clock."""
    gpus_expected = models.PositiveSmallIntegerField(default=0)
    gpus_seen = models.PositiveSmallIntegerField(null=True)
    """How many of its GPUs answered when it was judged: state, sentence and needs are of this count. Null: it never
    told of one."""

    def __str__(self) -> str:
        return f"{self.node_id}: {self.state}"


class NodeClock(models.Model):
    """A node whose clock is wrong, or may be; see telemetry.clocks, its only writer. Of the others there is no row."""

    node = models.OneToOneField(Node, on_delete=models.CASCADE, primary_key=True, related_name="+")
    ahead_ms = models.BigIntegerField()
    """Negative: behind. 0: it is not clear yet."""
    lag_ms = models.BigIntegerField()
    lag_since_ms = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.node_id}: {self.ahead_ms} ms ahead"


class NodeStateSpan(models.Model):
    """The node was in this state from started_at until ended_at (null: still)."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=12)
    cause = models.CharField(max_length=20, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["node"], condition=models.Q(ended_at__isnull=True), name="one_open_state_span"
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at__isnull=True) | models.Q(ended_at__gt=models.F("started_at")),
                name="state_span_has_length",
            ),
        ]
        indexes = [models.Index(fields=["node", "-started_at"])]

    def __str__(self) -> str:
        return f"{self.node_id}: {self.state} from {self.started_at}"


class GpuXid(models.Model):
    """The XID that a GPU tells of now, and since when. One writer: telemetry.xid_changes."""

    gpu = models.OneToOneField(Gpu, on_delete=models.CASCADE, primary_key=True, related_name="+")
    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="+")
    code = models.PositiveIntegerField()
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.gpu_id}: XID {self.code} since {self.since}"
