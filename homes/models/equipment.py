"""What hangs on the wall: the node and its GPUs, the battery, the internet line, and visits to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.contrib.auth.models import AnonymousUser
from django.db import models

from homes.models.people import User
from homes.models.places import Home

GPUS_PER_NODE = 16


class NodeQuerySet(models.QuerySet["Node"]):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Nodes of the homes this person may know of."""
        return self.filter(home__in=Home.objects.visible_to(user))


class Node(models.Model):
    """The box with 16 GPUs. Its identity is its credential, never the hostname it reports."""

    home = models.OneToOneField(Home, on_delete=models.PROTECT, related_name="node")
    hostname = models.CharField(max_length=63, unique=True)
    model = models.CharField(max_length=60, default="XFRA node, 16 x RTX PRO 6000")
    firmware = models.CharField(max_length=40, blank=True)
    expected_gpus = models.PositiveSmallIntegerField(default=GPUS_PER_NODE)
    in_service_since = models.DateTimeField(null=True, blank=True)
    installed_at = models.DateTimeField(auto_now_add=True)

    if TYPE_CHECKING:
        home_id: object

    objects = NodeQuerySet.as_manager()

    class Meta:
        ordering = ["hostname"]

    def __str__(self) -> str:
        return self.hostname


class Gpu(models.Model):
    """One GPU, known by its UUID from the first sample that names it.

    Its slot is the index that its exporter gives it now; when a neighbour falls off the bus, that changes. Its PCI
    address does not.
    """

    uuid = models.CharField(max_length=64, unique=True)
    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="gpus")
    slot = models.PositiveSmallIntegerField()
    pci_address = models.CharField(max_length=32, blank=True)
    described_at = models.DateTimeField(null=True, blank=True)
    """Of when the sample is that last changed slot or address: an older one changes nothing."""
    model = models.CharField(max_length=120, blank=True)
    first_seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["node", "slot"]

    def __str__(self) -> str:
        return self.uuid


class InventoryEvent(models.Model):
    """A GPU appeared, went missing, came back, moved, or was named by a node that has not got it. Append-only.

    A move and a refused claim stand in the histories of both nodes; each row names the other one: `from_node` is whose
    it was or is, `to_node` who has it now or claims it.
    """

    class Kind(models.TextChoices):
        NEW = "new", "New"
        GONE = "gone", "Gone"
        BACK = "back", "Back"
        MOVED = "moved", "Moved from another node"
        LEFT = "left", "Moved to another node"
        REFUSED = "refused", "Refused: it is live behind another node"
        CLAIMED = "claimed", "Claimed by another node while it was live here"

    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="inventory_events")
    from_node = models.ForeignKey(Node, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    to_node = models.ForeignKey(Node, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    gpu_uuid = models.CharField(max_length=64)
    kind = models.CharField(max_length=8, choices=Kind)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["node", "-at"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.gpu_uuid}"


class Battery(models.Model):
    """The home's battery as sold; what it holds now is telemetry."""

    home = models.OneToOneField(Home, on_delete=models.CASCADE, primary_key=True, related_name="battery")
    model = models.CharField(max_length=60, blank=True)
    capacity_wh = models.PositiveIntegerField(default=16_000)

    def __str__(self) -> str:
        return self.model or f"battery of {self.home_id}"


class InternetLine(models.Model):
    """What the internet provider promised; what it delivers is telemetry."""

    home = models.OneToOneField(Home, on_delete=models.CASCADE, primary_key=True, related_name="internet_line")
    provider = models.CharField(max_length=60)
    promised_download_bps = models.BigIntegerField(default=1_000_000_000)
    promised_upload_bps = models.BigIntegerField(default=1_000_000_000)
    promised_uptime_ratio = models.DecimalField(max_digits=6, decimal_places=5, default="0.999")

    def __str__(self) -> str:
        return f"{self.provider} at {self.home_id}"


class WorkOrder(models.Model):
    """A technician's visit. While it is open, the technician sees that node and the home's address."""

    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="work_orders")
    technician = models.ForeignKey(User, on_delete=models.PROTECT, related_name="work_orders")
    summary = models.CharField(max_length=200)
    opened_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-opened_at"]

    def __str__(self) -> str:
        return self.summary
