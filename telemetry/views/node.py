"""One node: the sentence that says why, sixteen GPUs live, and its history on one time axis."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis import RedisError

from homes.models import Gpu, InventoryEvent, Node
from telemetry import explanation, reads, refusals
from telemetry.catalogue import COLUMNS, Kind
from telemetry.charts_policy import draws_charts
from telemetry.node_state import SILENCE_SECONDS
from telemetry.payloads import node_payload
from telemetry.readings import GpuLatest, NodeLatest
from telemetry.standing import stand
from telemetry.views.staff import staff_only
from telemetry.xid import CODES, describe, throttle_words

RANGES = {
    "15m": ("15 min", 900),
    "1h": ("1 h", 3600),
    "6h": ("6 h", 21_600),
    "24h": ("24 h", 86_400),
    "7d": ("7 d", 604_800),
    "30d": ("30 d", 2_592_000),
}
LANES = (
    ("GPU power, every GPU", "gpu", "power_watts", "", "watts", True),
    ("Panel amperes against the limit", "node", "main_amperes,limit_amperes", "Main,Limit", "amperes", True),
    ("Power of node and home", "node", "node_power_watts,home_power_watts", "Node,Home", "watts", True),
    ("Battery charge", "node", "battery_charge_ratio", "Charge", "ratio", True),
    ("Coolant and outdoor temperature", "node", "coolant_supply_celsius,coolant_return_celsius,outdoor_celsius",
     "Supply,Return,Outdoor", "celsius", False),
    ("Internet delay, node's traffic", "node", "internet_node_latency_seconds,internet_node_loaded_latency_seconds",
     "Idle,Loaded", "milliseconds", True),
    ("Workload sessions", "node", "inference_sessions,gaming_sessions,streaming_sessions",
     "Inference,Gaming,Streaming", "", True),
)  # fmt: skip
_GPU = COLUMNS[Kind.GPU]
_UNITS = {"watts": "watts", "celsius": "celsius", "ratio": "ratio", "bytes": "bytes", "hertz": "hertz"}


@require_safe
@staff_only
@never_cache
@draws_charts
def node_page(request: HttpRequest, hostname: str) -> HttpResponse:
    visible = Node.objects.visible_to(request.user).select_related("home", "home__internet_line")
    node = get_object_or_404(visible, hostname=hostname)
    latest, now = reads.latest([node.pk])[node.pk], timezone.now()
    standing = stand(node.hostname, node.expected_gpus, latest, now, node.in_service_since is not None)
    context = {
        "shell": "operator",
        "node": node,
        "home": node.home,
        "latest": latest,
        "live": node_payload(latest),
        "sentence": standing.sentence,
        "busy_ratio": explanation.busy_ratio(latest),
        "is_silent": _is_old(latest.heard_at, now),
        "tiles": tiles_of(node.expected_gpus, latest, now),
        "spans": list(reversed(reads.state_spans(node.pk, now - timedelta(days=7), now)))[:12],
        "events": _events(node),
        "credentials": node.credentials.order_by("-created_at")[:5],
        "refused": _refused(node),
        "xids": sorted(CODES.values(), key=lambda xid: xid.code),
        **_charts(request, node),
        "slot_names": _slot_names(node),
    }
    return render(request, "telemetry/node.html", context)


def _refused(node: Node) -> list[refusals.Refused] | None:
    """None while nobody can say: a page without it is better than none."""
    try:
        return refusals.refused([node.pk])[node.pk]
    except RedisError:
        return None


def _charts(request: HttpRequest, node: Node) -> dict[str, Any]:
    chosen = request.GET.get("range", "1h")
    chosen = chosen if chosen in RANGES else "1h"
    names = [column.name for column in _GPU]
    metric = request.GET.get("metric", "temperature_celsius")
    metric = metric if metric in names else "temperature_celsius"
    lanes = [dict(zip(("caption", "kind", "metrics", "labels", "unit", "zero"), lane, strict=True)) for lane in LANES]
    return {
        "range_key": chosen,
        "range_seconds": RANGES[chosen][1],
        "ranges": [(key, words) for key, (words, _) in RANGES.items()],
        "lanes": lanes,
        "metric": metric,
        "metric_unit": _UNITS.get(metric.rsplit("_", 1)[-1], ""),
        "metric_names": names,
        "zone_name": f"{timezone.now().astimezone(node.home.zone):%Z}",
    }


def _slot_names(node: Node) -> str:
    """JSON: by UUID what a chart calls a GPU, as its tile does; one that is gone keeps its UUID beside the slot's."""
    gpus = Gpu.objects.filter(node=node).order_by("slot", "pk")
    names = {gpu.uuid: f"GPU {gpu.slot}" + (f" (gone, {gpu.uuid})" if gpu.gone_at else "") for gpu in gpus}
    return json.dumps(names)


def _events(node: Node) -> list[dict[str, Any]]:
    """What happened to its GPUs, each by the name of its tile. Whence one came is told only to who sees that node."""
    slots = dict(Gpu.objects.filter(node=node).values_list("uuid", "slot"))
    found = (
        InventoryEvent.objects.filter(node=node)
        .exclude(kind=InventoryEvent.Kind.NEW)
        .select_related("from_node", "to_node")
    )
    return [{"event": event, "slot": slots.get(event.gpu_uuid)} for event in found[:20]]


def _is_old(at: datetime | None, now: datetime) -> bool:
    """Whether what was measured then says nothing about now."""
    return at is None or (now - at).total_seconds() > SILENCE_SECONDS


def tiles_of(expected_gpus: int, latest: NodeLatest, now: datetime) -> list[dict[str, Any]]:
    """One tile per slot, whether a GPU answers from it or not, so that nothing moves when one goes."""
    # Until one that fell off the bus is known to be gone, another may have its index: the one that speaks has it.
    by_slot = {gpu.slot: gpu for gpu in sorted(latest.gpus, key=_newest)}
    slots = max([expected_gpus, *(slot + 1 for slot in by_slot)])
    return [_tile(slot, by_slot.get(slot), now) for slot in range(slots)]


def _newest(gpu: GpuLatest) -> float:
    return max((cell.at.timestamp() for cell in gpu.cells.values()), default=0.0)


def _tile(slot: int, gpu: GpuLatest | None, now: datetime) -> dict[str, Any]:
    """`last_at` is the newest of its values where that is no news any more; `old` are the names of such values."""
    if gpu is None or not gpu.cells:
        return {"slot": slot, "missing": True}
    newest = max(cell.at for cell in gpu.cells.values())
    values = {column.name: gpu.cells[column.name].value if column.name in gpu.cells else None for column in _GPU}
    return {
        "slot": slot,
        "missing": False,
        "uuid": gpu.uuid,
        "pci_address": gpu.pci_address,
        "values": values,
        "last_at": newest if _is_old(newest, now) else None,
        "old": {name for name, cell in gpu.cells.items() if _is_old(cell.at, now)},
        "faults": _faults(values),
        "throttle": [word for word in throttle_words(int(values["throttle_reasons"] or 0)) if word != "idle"],
    }


def _faults(values: Mapping[str, float | None]) -> list[str]:
    faults = []
    if code := values["xid"]:
        found = describe(int(code))
        faults.append(f"XID {found.code}: {found.action}")
    if values["ecc_double_bit_volatile"]:
        faults.append("ECC uncorrectable")
    if values["row_remap_failed"]:
        faults.append("row remap failed")
    return faults
