"""How a home is at this moment: what its socket says, and the node's state in the words of the homeowner's page."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from django.utils import timezone

from homes.models import Home, OperatorContact
from telemetry import live, reads
from telemetry.payloads import HomePayload, HomeWithoutNodePayload, home_without_node
from xfra_portal.homeowner.story import story


@dataclass(frozen=True, slots=True)
class HomeNow:
    """`story` is None while the home has no node."""

    live: HomePayload | HomeWithoutNodePayload
    story: dict[str, str] | None


def of(home: Home) -> HomeNow:
    if not hasattr(home, "node"):
        return HomeNow(home_without_node(str(home.pk)), None)
    latest = reads.latest([home.node.pk])[home.node.pk]
    told = story(home, home.node, latest, OperatorContact.objects.of(home), timezone.now())
    return HomeNow(live.home_payload(home.node, latest), asdict(told.story))
