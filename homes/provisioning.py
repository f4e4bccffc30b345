"""Making a home with its node: the one place that knows what belongs together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from homes.models import Battery, Gpu, Home, InternetLine, InventoryEvent, Node, NodeCredential


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new home is made of."""

    hostname: str
    timezone: str
    utility: str
    provider: str
    home_name: str = ""
    site_group: str = ""
    feeder: str = ""
    firmware: str = ""
    is_simulated: bool = False
    promised_download_bps: int = 1_000_000_000
    promised_upload_bps: int = 1_000_000_000


@transaction.atomic
def provision(plan: Plan) -> tuple[Node, str]:
    """A home with node, battery, line and one credential. Returns the node and its token, shown only now."""
    home = Home.objects.create(
        name=plan.home_name or f"Home of {plan.hostname}",
        timezone=plan.timezone,
        utility=plan.utility,
        site_group=plan.site_group,
        feeder=plan.feeder,
        is_simulated=plan.is_simulated,
    )
    Battery.objects.create(home=home)
    InternetLine.objects.create(
        home=home,
        provider=plan.provider,
        promised_download_bps=plan.promised_download_bps,
        promised_upload_bps=plan.promised_upload_bps,
    )
    node = Node.objects.create(home=home, hostname=plan.hostname, firmware=plan.firmware)
    _, token = NodeCredential.issue(node)
    return node, token


@transaction.atomic
def register_gpus(node: Node, uuids: Sequence[str], model: str, at: datetime) -> list[Gpu]:
    """GPUs known beforehand, as the first sample of each would have registered them. In slot order."""
    gpus = [
        Gpu.objects.create(uuid=uuid, node=node, slot=slot, model=model, first_seen_at=at)
        for slot, uuid in enumerate(uuids)
    ]
    InventoryEvent.objects.bulk_create(
        InventoryEvent(node=node, gpu_uuid=gpu.uuid, kind=InventoryEvent.Kind.NEW, at=at) for gpu in gpus
    )
    return gpus
