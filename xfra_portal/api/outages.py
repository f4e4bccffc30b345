"""When a home's internet or the grid was down, and how much of the time it was up."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from homes.calendar import midnight, month_start
from homes.models import Home
from telemetry import reads
from telemetry.payloads import iso
from xfra_portal.api import queries, serializers
from xfra_portal.api.base import Response, View, operation
from xfra_portal.homeowner import outages
from xfra_portal.homeowner.outages import Outage

FLAGS: Final = {"internet": "internet_home_up", "grid": "grid_up"}
LONGEST: Final = timedelta(days=50)


class HomeOutages(View):
    @operation(
        "homes_outages",
        "Outages of internet or grid, and the share of the time without",
        serializers.OutagesSerializer,
        "homes",
        [
            OpenApiParameter("of", str, enum=list(FLAGS), description="Default internet."),
            OpenApiParameter(
                "start",
                str,
                description="ISO 8601 with offset, or relative to now: -24h, -30d. Default the first of the month at"
                f" home; at most {LONGEST.days} days ago.",
            ),
        ],
        description="From `start` until now, the latest outage first: to the minute for the last two days, to the"
        " quarter-hour before. What was not measured counts neither as up nor as down: `covered_ratio` says how much"
        " that leaves. Instants are ISO 8601 in UTC.",
    )
    def get(self, request: Request, home_id: uuid.UUID) -> Response:
        home, now = self.served_home(home_id), timezone.now()
        of = queries.choice_of(request, "of", list(FLAGS), "internet")
        start = queries.since(request, _month(home, now), now, LONGEST)
        latest = reads.households([home.node.pk])[home.node.pk]
        found = outages.kept(home.node, FLAGS[of], start, now, latest.cells.get(FLAGS[of]))
        return Response(
            {
                "of": of,
                "start": iso(start),
                "end": iso(now),
                "up_ratio": found.up_ratio,
                "covered_ratio": round(found.covered_ratio, 5),
                "outages": [_outage_json(outage) for outage in found.outages],
            }
        )


def _month(home: Home, now: datetime) -> datetime:
    """When the home's month began; of the one in which it came to us, its own part."""
    return max(home.created_at, midnight(home.zone, month_start(home.zone, now)))


def _outage_json(outage: Outage) -> dict[str, Any]:
    return {
        "start": iso(outage.start),
        "seconds": round(outage.seconds),
        "ending": outage.ending.value,
        "at_least": outage.at_least,
    }
