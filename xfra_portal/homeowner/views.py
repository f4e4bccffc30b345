"""The homeowner's pages: what each gathers for its template."""

from __future__ import annotations

import calendar
from datetime import datetime, timedelta
from typing import Any, cast

import orjson
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from homes.calendar import midnight, month_start
from homes.models import Home, Node, OperatorContact, OperatorRole, User
from telemetry import live, reads
from telemetry.charts_policy import draws_charts
from telemetry.readings import NodeLatest
from xfra_portal.homeowner import drawings, figures, money, outages
from xfra_portal.homeowner.cases import cases_of
from xfra_portal.homeowner.lately import lately
from xfra_portal.homeowner.pages import of_node
from xfra_portal.homeowner.story import story

RANGES = {
    "15m": ("15 minutes", 900),
    "24h": ("24 hours", 86_400),
    "7d": ("7 days", 604_800),
    "30d": ("30 days", 2_592_000),
}
DEFAULT_RANGE = "24h"
GRID_DAYS = 35
NIGHT_BEGINS, NIGHT_ENDS = 23, 5


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


@of_node("home")
def home_page(request: HttpRequest, home: Home, node: Node) -> dict[str, Any]:
    now = timezone.now()
    latest = reads.latest([node.pk])[node.pk]
    user = cast(User, request.user)
    return {
        **_live(node, latest, now),
        **_month(home, node, now),
        "greeting": _greeting(now.astimezone(home.zone), user.first_name if home.role_of(user) else ""),
        "line": getattr(home, "internet_line", None),
        "said": story(home, node, latest, OperatorContact.objects.of(home), now),
        "lately": lately(node, home, now),
        "amperes_used": latest.value("main_amperes"),
        "internet": outages.shares(node, "internet_home_up", _began(home, now), now),
        "spare_share": _share(latest.value("main_amperes"), home.usable_amperes),
        **_money(request, home),
    }


@draws_charts
@of_node("electricity")
def electricity_page(request: HttpRequest, home: Home, node: Node) -> dict[str, Any]:
    now = timezone.now()
    latest = reads.latest([node.pk])[node.pk]
    return {
        **_live(node, latest, now),
        **_month(home, node, now),
        **_chosen_range(request),
        "tab": "overview",
        **_statements(request, home),
    }


@draws_charts
@of_node("internet")
def internet_page(request: HttpRequest, home: Home, node: Node) -> dict[str, Any]:
    now = timezone.now()
    latest = reads.latest([node.pk])[node.pk]
    up = latest.cells.get("internet_home_up")
    return {
        **_live(node, latest, now),
        **_chosen_range(request),
        "line": home.internet_line,
        "promised_ratio": float(home.internet_line.promised_uptime_ratio),
        "kept": outages.kept(node, "internet_home_up", _began(home, now), now, up),
        "month_name": f"{now.astimezone(home.zone):%B}",
    }


@draws_charts
@of_node("battery")
def battery_page(request: HttpRequest, home: Home, node: Node) -> dict[str, Any]:
    now = timezone.now()
    latest = reads.latest([node.pk])[node.pk]
    began = max(home.created_at, now - timedelta(days=GRID_DAYS))
    return {
        **_live(node, latest, now),
        **_chosen_range(request),
        "kept": outages.with_power(node, outages.kept(node, "grid_up", began, now, latest.cells.get("grid_up")), now),
        "days": GRID_DAYS,
    }


def _began(home: Home, now: datetime) -> datetime:
    """The home's month; of the one in which it came to us, its own part."""
    return max(home.created_at, midnight(home.zone, month_start(home.zone, now)))


def _month(home: Home, node: Node, now: datetime) -> dict[str, Any]:
    """The month's energy, day by day."""
    local = now.astimezone(home.zone)
    month = figures.month_energy(node, home, now)
    days = calendar.monthrange(local.year, local.month)[1]
    return {
        "month": month,
        "month_name": f"{local:%B}",
        "bars": drawings.day_bars(month.days, days),
        "bar_days": drawings.day_marks(days, local.day),
    }


def _money(request: HttpRequest, home: Home) -> dict[str, Any]:
    """The month's money, for those who may see it; for others nothing, not even that there is some."""
    user = cast(User, request.user)
    if not money.shows_money(user, home):
        return {}
    found = money.so_far(home)
    return {
        "so_far": found,
        "sheet": money.sheet_so_far(found),
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


def _live(node: Node, latest: NodeLatest, now: datetime) -> dict[str, Any]:
    """What the page says now and goes on saying: the live payload, as JSON too, and which sentences it makes true."""
    payload = live.home_payload(node, latest)
    return {
        "live": payload,
        "snapshot": orjson.dumps(payload).decode(),
        "cases": cases_of(payload, now),
        "heard_at": latest.heard_at,
    }


def _chosen_range(request: HttpRequest) -> dict[str, Any]:
    key = request.GET.get("range", DEFAULT_RANGE)
    chosen = key if key in RANGES else DEFAULT_RANGE
    return {"range_key": chosen, "range_seconds": RANGES[chosen][1], "ranges": [(k, v[0]) for k, v in RANGES.items()]}


def _share(part: float | None, whole: float) -> float | None:
    return None if part is None else max(0.0, min(1.0, part / whole))


def _greeting(local: datetime, name: str) -> str:
    """By the home's clock. At night the name alone: to somebody who is up at three no time of day is good."""
    if local.hour >= NIGHT_BEGINS or local.hour < NIGHT_ENDS:
        return name or "Hello"
    part = "morning" if local.hour < 12 else "afternoon" if local.hour < 17 else "evening"
    return f"Good {part}, {name}" if name else f"Good {part}"
