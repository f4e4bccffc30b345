"""The homeowner's pages. Views find the home through `visible_to`, gather figures and render."""

from __future__ import annotations

import calendar
import uuid
from datetime import datetime, timedelta
from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from homes.calendar import midnight, month_start
from homes.models import Home, Node, OperatorRole, User
from telemetry import live, reads
from telemetry.charts_policy import draws_charts
from telemetry.node_state import SILENCE_SECONDS
from telemetry.readings import NodeLatest
from xfra_portal.homeowner import drawings, figures, money

RANGES = {
    "15m": ("15 minutes", 900),
    "24h": ("24 hours", 86_400),
    "7d": ("7 days", 604_800),
    "30d": ("30 days", 2_592_000),
}
DEFAULT_RANGE = "24h"


@require_safe
@login_required
def start(request: HttpRequest) -> HttpResponse:
    """`/`: everybody to their own place."""
    user = cast(User, request.user)
    role = user.operator_role
    if role:
        return redirect("desk" if role == OperatorRole.Role.BILLING else "fleet")
    homes = list(Home.objects.visible_to(user).filter(memberships__user=user)[:20])
    if len(homes) == 1 and not user.owes_second_factor:
        return redirect("home", homes[0].pk)
    return render(request, "portal/choose_home.html", {"homes": homes})


@require_safe
@login_required
@never_cache
def home_page(request: HttpRequest, home_id: uuid.UUID) -> HttpResponse:
    home, node = _home(request, home_id)
    now = timezone.now()
    latest = reads.latest([node.pk])[node.pk]
    month = figures.month_energy(node, home, now)
    local = now.astimezone(home.zone)
    context = {
        **_common(home, node, latest, "home"),
        "greeting": _greeting(local),
        "first_name": cast(User, request.user).first_name if home.role_of(cast(User, request.user)) else "",
        "story": figures.story(home, latest),
        "month": month,
        "month_name": f"{local:%B}",
        "bars": drawings.day_bars(month.days, calendar.monthrange(local.year, local.month)[1]),
        "happenings": figures.lately(node, home, now),
        "amperes_used": latest.value("main_amperes"),
        "uptime": figures.uptime_ratio(node, "internet_home_up", midnight(home.zone, month_start(home.zone, now)), now),
        "spare_share": _share(latest.value("main_amperes"), home.usable_amperes),
        **_money(request, home),
    }
    return render(request, "portal/home.html", context)


@require_safe
@login_required
@never_cache
@draws_charts
def electricity_page(request: HttpRequest, home_id: uuid.UUID) -> HttpResponse:
    home, node = _home(request, home_id)
    now = timezone.now()
    latest = reads.latest([node.pk])[node.pk]
    local = now.astimezone(home.zone)
    month = figures.month_energy(node, home, now)
    context = {
        **_common(home, node, latest, "electricity"),
        **_chosen_range(request),
        "month": month,
        "month_name": f"{local:%B}",
        "bars": drawings.day_bars(month.days, calendar.monthrange(local.year, local.month)[1]),
        "residual_watts": _residual(latest),
        "covered_percent": month.covered_ratio,
        "tab": "overview",
        **_statements(request, home),
    }
    return render(request, "portal/electricity.html", context)


@require_safe
@login_required
@never_cache
@draws_charts
def internet_page(request: HttpRequest, home_id: uuid.UUID) -> HttpResponse:
    home, node = _home(request, home_id)
    now = timezone.now()
    began = midnight(home.zone, month_start(home.zone, now))
    context = {
        **_common(home, node, reads.latest([node.pk])[node.pk], "internet"),
        **_chosen_range(request),
        "line": home.internet_line,
        "promised_ratio": float(home.internet_line.promised_uptime_ratio),
        "uptime": figures.uptime_ratio(node, "internet_home_up", began, now),
        "outages": figures.outages(node, "internet_home_up", began, now),
        "month_name": f"{now.astimezone(home.zone):%B}",
    }
    return render(request, "portal/internet.html", context)


@require_safe
@login_required
@never_cache
@draws_charts
def battery_page(request: HttpRequest, home_id: uuid.UUID) -> HttpResponse:
    home, node = _home(request, home_id)
    now = timezone.now()
    context = {
        **_common(home, node, reads.latest([node.pk])[node.pk], "battery"),
        **_chosen_range(request),
        "outages": figures.outages(node, "grid_up", now - timedelta(days=35), now),
    }
    return render(request, "portal/battery.html", context)


def _home(request: HttpRequest, home_id: uuid.UUID) -> tuple[Home, Node]:
    """The home and its node, or 404: the same answer for what does not exist and for what is not yours."""
    visible = Home.objects.visible_to(request.user).select_related("node", "battery", "internet_line")
    home = get_object_or_404(visible, pk=home_id, node__isnull=False)
    return home, home.node


def _money(request: HttpRequest, home: Home) -> dict[str, Any]:
    """The month's money, for those who may see it; for others nothing, not even that there is some."""
    user = cast(User, request.user)
    if not money.shows_money(user, home):
        return {}
    found = money.so_far(home)
    return {
        "so_far": found,
        "to_day": money.last_day(found.end),
        "month_last": money.last_day(found.month_end),
        "shows_agreement": money.shows_agreement(user, home),
    }


def _statements(request: HttpRequest, home: Home) -> dict[str, Any]:
    """Besides the month's money: the latest statements, why the last is different, and the month by time of use."""
    user, shown = cast(User, request.user), _money(request, home)
    if not shown:
        return {}
    found = list(money.issued(user, home).exclude(revision__state="issued").prefetch_related("lines")[:4])
    return {
        **shown,
        "statements": found,
        "comparison": money.compare(found[1], found[0]) if len(found) > 1 else None,
        "bands": money.bands(shown["so_far"]),
    }


def _common(home: Home, node: Node, latest: NodeLatest, place: str) -> dict[str, Any]:
    silent = (timezone.now() - latest.heard_at).total_seconds() if latest.heard_at else None
    return {
        "shell": "homeowner",
        "home": home,
        "place": place,
        "live": live.home_payload(node, latest),
        "heard_at": latest.heard_at,
        "is_stale": silent is None or silent > SILENCE_SECONDS,
        "zone_name": f"{timezone.now().astimezone(home.zone):%Z}",
    }


def _chosen_range(request: HttpRequest) -> dict[str, Any]:
    key = request.GET.get("range", DEFAULT_RANGE)
    chosen = key if key in RANGES else DEFAULT_RANGE
    return {"range_key": chosen, "range_seconds": RANGES[chosen][1], "ranges": [(k, v[0]) for k, v in RANGES.items()]}


def _residual(latest: NodeLatest) -> float | None:
    """Site less home, node and battery plus solar: nought where every watt is accounted for."""
    site, home, node, battery = (latest.value(f"{name}_power_watts") for name in ("site", "home", "node", "battery"))
    if site is None or home is None or node is None or battery is None:
        return None
    return site - home - node - battery + (latest.value("solar_power_watts") or 0.0)


def _share(part: float | None, whole: float) -> float | None:
    return None if part is None else max(0.0, min(1.0, part / whole))


def _greeting(local: datetime) -> str:
    if local.hour < 5 or local.hour >= 17:
        return "Good evening"
    return "Good morning" if local.hour < 12 else "Good afternoon"
