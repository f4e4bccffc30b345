"""Endpoints about a home, for its household and for the operator's staff."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from homes.calendar import day_edges, midnight, month_start
from homes.models import Home
from telemetry import reads
from telemetry.catalogue import ENERGY_REGISTERS, POWER_CHANNELS, Kind
from telemetry.payloads import iso
from telemetry.readings import Energy
from xfra_portal.api import histories, home_now, metrics, queries, serializers
from xfra_portal.api.base import HISTORY_PARAMETERS, HistoryView, Response, View, operation, period_parameters
from xfra_portal.api.pagination import PARAMETERS, CursorPagination

_LINE = ("up", "download_bits_per_second", "upload_bits_per_second", "latency_seconds", "loaded_latency_seconds",
         "jitter_seconds", "loss_ratio")  # fmt: skip
MOST_BUCKETS = 800


class Me(View):
    @operation("me", "Who is signed in, and which homes are theirs", serializers.MeSerializer, "account")
    def get(self, request: Request) -> Response:
        person = self.person
        body = {
            "id": person.pk,
            "email": person.email,
            "name": person.name,
            "operator_role": person.operator_role,
            "memberships": list(person.memberships.order_by("created_at")),
        }
        return Response(serializers.MeSerializer(body).data)


class Homes(View):
    @operation(
        "homes_list",
        "Homes that you may see",
        serializers.HomePageSerializer,
        "homes",
        PARAMETERS,
    )
    def get(self, request: Request) -> Response:
        pages = CursorPagination()
        homes = Home.objects.visible_to(self.person).order_by("pk")
        found = pages.paginate_queryset(homes, request, self)
        return pages.get_paginated_response(serializers.HomeSerializer(found, many=True).data)


class HomeOverview(View):
    @operation(
        "homes_read", "A home: facts, live state, energy this month", serializers.HomeOverviewSerializer, "homes"
    )
    def get(self, request: Request, home_id: uuid.UUID) -> Response:
        home = self.home(home_id)
        address, now = self.address(home), home_now.of(home)
        return Response(
            {
                **serializers.HomeSerializer(home).data,
                "address": serializers.AddressSerializer(address).data if address else None,
                "internet_line": _line_json(home),
                "live": now.live,
                "story": now.story,
                "energy_this_month": _energy_this_month(home),
            }
        )


def _line_json(home: Home) -> dict[str, Any] | None:
    line = getattr(home, "internet_line", None)
    return line and {
        "provider": line.provider,
        "promised_download_bits_per_second": line.promised_download_bps,
        "promised_upload_bits_per_second": line.promised_upload_bps,
        "promised_uptime_ratio": float(line.promised_uptime_ratio),
    }


def _energy_this_month(home: Home) -> dict[str, Any] | None:
    if not hasattr(home, "node"):
        return None
    now = timezone.now()
    return energy_json(reads.energy(home.node.pk, midnight(home.zone, month_start(home.zone, now)), now))


class HomeBattery(View):
    @operation("homes_battery", "The battery now, and hours of backup", serializers.BatteryNowSerializer, "homes")
    def get(self, request: Request, home_id: uuid.UUID) -> Response:
        now = home_now.of(self.home(home_id)).live
        return Response({"heard_at": now["heard_at"], "battery": now["battery"]})


class HomeInternet(View):
    @operation("homes_internet", "The internet line now", serializers.InternetNowSerializer, "homes")
    def get(self, request: Request, home_id: uuid.UUID) -> Response:
        now = home_now.of(self.home(home_id)).live
        return Response({"heard_at": now["heard_at"], "internet": now["internet"]})


class HomeNode(View):
    @operation("homes_node", "The node's state now, and in words", serializers.NodeNowSerializer, "homes")
    def get(self, request: Request, home_id: uuid.UUID) -> Response:
        now = home_now.of(self.home(home_id))
        return Response({"heard_at": now.live["heard_at"], "node": now.live["node"], "story": now.story})


class HomeEnergy(View):
    @operation(
        "homes_energy",
        "Energy by hour, local day or local month, from the panel's registers",
        serializers.EnergyListSerializer,
        "homes",
        [
            *period_parameters("-30d"),
            OpenApiParameter(
                "by",
                str,
                enum=["hour", "day", "month"],
                description=f"Default day. At most {MOST_BUCKETS} buckets.",
            ),
        ],
    )
    def get(self, request: Request, home_id: uuid.UUID) -> Response:
        home = self.served_home(home_id)
        period = queries.period_of(request, default=timedelta(days=30))
        edges = _edges(home, period, queries.choice_of(request, "by", ["hour", "day", "month"], "day"))
        found = reads.energy_by_bucket(home.node.pk, edges)
        return Response({"timezone": home.timezone, "energy": [energy_json(energy) for energy in found]})


def _edges(home: Home, period: queries.Period, by: str) -> list[datetime]:
    """Edges of whole buckets that overlap the period, on the home's clock; the last one ends with the period."""
    if by == "hour":
        first = period.start.astimezone(home.zone).replace(minute=0, second=0, microsecond=0).astimezone(UTC)
        hours = int((period.end - first).total_seconds() // 3600) + 1
        edges = [first + timedelta(hours=i) for i in range(hours)]
        edges = [*(edge for edge in edges if edge < period.end), period.end]
    else:
        local = period.start.astimezone(home.zone).date()
        edges = day_edges(home.zone, local.replace(day=1) if by == "month" else local, period.end)
        if by == "month":
            firsts = [edge for edge in edges[1:-1] if edge.astimezone(home.zone).day == 1]
            edges = [edges[0], *firsts, edges[-1]]
    if len(edges) > MOST_BUCKETS:
        raise ValidationError({"by": f"{len(edges)} buckets; at most {MOST_BUCKETS}: ask for longer ones"})
    return edges


def energy_json(energy: Energy) -> dict[str, Any]:
    return {
        "start": iso(energy.start),
        "end": iso(energy.end),
        "home_watt_hours": energy.home_watt_hours,
        "watt_hours": dict(energy.watt_hours),
        "covered_ratio": round(energy.covered_ratio, 5),
    }


class HomeHistory(HistoryView):
    """History of one part of a home; subclasses say which metrics belong to it."""

    allowed: ClassVar[Sequence[str]] = ()
    default: ClassVar[Sequence[str]] = ()

    def answer(self, request: Request, home_id: uuid.UUID) -> Response | HttpResponse:
        home = self.served_home(home_id)
        asked = queries.metrics_of(request, self.allowed, self.default)
        return histories.answer(request, home.node, home.timezone, Kind.NODE, asked)


class PowerHistory(HomeHistory):
    allowed = (
        *(f"{channel}_power_watts" for channel in POWER_CHANNELS),
        *(f"{register}_energy_joules" for register in ENERGY_REGISTERS),
        "main_amperes",
        "limit_amperes",
        "grid_up",
        "node_power_limit_watts",
        "outdoor_celsius",
    )
    default = ("home_power_watts", "node_power_watts")

    @operation(
        "homes_power_history",
        "Power over time",
        serializers.HistorySerializer,
        "history",
        [metrics.parameter(metrics.of_nodes(allowed), ",".join(default)), *HISTORY_PARAMETERS],
        csv=True,
    )
    def get(self, request: Request, home_id: uuid.UUID) -> Response | HttpResponse:
        return self.answer(request, home_id)


class BatteryHistory(HomeHistory):
    allowed = (
        "battery_charge_ratio",
        "battery_power_watts",
        "battery_reserve_ratio",
        "battery_capacity_joules",
        "battery_in_energy_joules",
        "battery_out_energy_joules",
        "grid_up",
    )
    default = ("battery_charge_ratio", "battery_power_watts")

    @operation(
        "homes_battery_history",
        "Battery over time",
        serializers.HistorySerializer,
        "history",
        [metrics.parameter(metrics.of_nodes(allowed), ",".join(default)), *HISTORY_PARAMETERS],
        csv=True,
    )
    def get(self, request: Request, home_id: uuid.UUID) -> Response | HttpResponse:
        return self.answer(request, home_id)


class InternetHistory(HomeHistory):
    allowed = tuple(f"internet_{traffic}_{name}" for traffic in ("home", "node") for name in _LINE)
    default = ("internet_home_up", "internet_home_latency_seconds")

    @operation(
        "homes_internet_history",
        "Internet over time",
        serializers.HistorySerializer,
        "history",
        [metrics.parameter(metrics.of_nodes(allowed), ",".join(default)), *HISTORY_PARAMETERS],
        csv=True,
    )
    def get(self, request: Request, home_id: uuid.UUID) -> Response | HttpResponse:
        return self.answer(request, home_id)


class HomeStates(View):
    @operation(
        "homes_states", "The node's states over time", serializers.StatesSerializer, "history", period_parameters("-7d")
    )
    def get(self, request: Request, home_id: uuid.UUID) -> Response:
        home, period = self.served_home(home_id), queries.period_of(request, default=timedelta(days=7))
        return Response({"states": states_json(home.node.pk, period)})


def states_json(node_id: int, period: queries.Period) -> list[dict[str, Any]]:
    return [
        {"state": span.state.value, "cause": span.cause.value, "start": iso(span.start), "end": iso(span.end)}
        for span in reads.state_spans(node_id, period.start, period.end)
    ]
