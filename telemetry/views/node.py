"""One node: the sentence that says why, sixteen GPUs live, and its history on one time axis."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis import RedisError

from homes.models import InventoryEvent, Node
from telemetry import explanation, reads, refusals
from telemetry.catalogue import COLUMNS, Kind
from telemetry.charts_policy import draws_charts
from telemetry.payloads import node_payload
from telemetry.readings import GpuLatest, NodeLatest
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
_UNITS = {"watts": "watts", "celsius": "celsius", "ratio": "ratio", "bytes": "bytes", "hertz": "hertz"}


@require_safe
@staff_only
@never_cache
@draws_charts
def node_page(request: HttpRequest, hostname: str) -> HttpResponse:
    visible = Node.objects.visible_to(request.user).select_related("home", "home__internet_line")
    node = get_object_or_404(visible, hostname=hostname)
    latest, now = reads.latest([node.pk])[node.pk], timezone.now()
    context = {
        "shell": "operator",
        "node": node,
        "home": node.home,
        "latest": latest,
        "live": node_payload(latest),
        "sentence": explanation.explain(latest, node.expected_gpus, now),
        "tiles": _tiles(node, latest),
        "spans": list(reversed(reads.state_spans(node.pk, now - timedelta(days=7), now)))[:12],
        "events": InventoryEvent.objects.filter(node=node).exclude(kind="new")[:20],
        "credentials": node.credentials.order_by("-created_at")[:5],
        "refused": _refused(node),
        "xids": sorted(CODES.values(), key=lambda xid: xid.code),
        **_charts(request, node),
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
    names = [column.name for column in COLUMNS[Kind.GPU]]
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


def _tiles(node: Node, latest: NodeLatest) -> list[dict[str, Any]]:
    """One tile per slot, whether a GPU answers from it or not, so that nothing moves when one goes."""
    by_slot = {gpu.slot: gpu for gpu in latest.gpus}
    slots = max([node.expected_gpus, *(slot + 1 for slot in by_slot)])
    return [_tile(slot, by_slot.get(slot)) for slot in range(slots)]


def _tile(slot: int, gpu: GpuLatest | None) -> dict[str, Any]:
    if gpu is None or not gpu.cells:
        return {"slot": slot, "missing": True}
    values = {name: cell.value for name, cell in gpu.cells.items()}
    faults = []
    if values.get("xid"):
        found = describe(int(values["xid"]))
        faults.append(f"XID {found.code}: {found.action}")
    if values.get("ecc_double_bit_volatile"):
        faults.append("ECC uncorrectable")
    if values.get("row_remap_failed"):
        faults.append("row remap failed")
    words = [word for word in throttle_words(int(values.get("throttle_reasons", 0))) if word != "idle"]
    return {"slot": slot, "missing": False, "uuid": gpu.uuid, "values": values, "faults": faults, "throttle": words}
