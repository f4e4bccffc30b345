"""The demo's people, homes and past. Everything here is invented, and labelled as simulated wherever it shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from django.db import transaction

from billing import demo as billing_demo
from billing import demo_past
from homes.models import Home, HomeAddress, Membership, Node, OperatorContact, OperatorRole, User, WorkOrder
from homes.models.equipment import GPUS_PER_NODE
from homes.provisioning import Plan, provision, register_gpus
from telemetry.backfill import Backfill
from telemetry.simulator import persistence
from telemetry.simulator.fleet import Fleet
from telemetry.simulator.history import generate_history
from telemetry.simulator.profiles import HomeProfile, gpu_uuids, profiles_for
from telemetry.simulator.scenario import default_scenario

PASSWORD: Final = "xfra-demo-2026"  # noqa: S105  (printed at every start; such users exist only in the demo)
GPU_MODEL: Final = "NVIDIA RTX PRO 6000 Blackwell Server Edition"

WITHOUT_AGREEMENT: Final = 3
"""Place of a home that has none yet: what a new host sees, and something for the desk to do."""

_HOUSEHOLD: Final = (
    ("maya@example.com", "Maya Simulated", Membership.Role.OWNER),
    ("jonah@example.com", "Jonah Simulated", Membership.Role.MEMBER),
    ("guest@example.com", "Guest Simulated", Membership.Role.VIEWER),
)
_STAFF: Final = (
    ("operator@example.com", "Olga Simulated", OperatorRole.Role.OPERATOR),
    ("viewer@example.com", "Victor Simulated", OperatorRole.Role.VIEWER),
    ("technician@example.com", "Tom Simulated", OperatorRole.Role.TECHNICIAN),
    ("billing@example.com", "Bela Simulated", OperatorRole.Role.BILLING),
    ("admin@example.com", "Ada Simulated", OperatorRole.Role.ADMIN),
)
_CONTACTS: Final = (
    {
        "site_group": "",
        "name": "XFRA operations (simulated)",
        "phone": "(555) 555-0142",
        "hours": "day and night",
        "emergency_words": "Simulated: a real operator's safety file says here what the coolant is.",
    },
    {
        "site_group": "Mesa A",
        "name": "XFRA operations, Mesa (simulated)",
        "phone": "(555) 555-0167",
        "hours": "day and night",
    },
)
_GROUPS: Final = {
    "las_vegas": ("Henderson A", "Henderson B", "Summerlin"),
    "phoenix": ("Mesa A", "Mesa B", "Tempe"),
}
_UTILITIES: Final = {"las_vegas": ("NV Energy",), "phoenix": ("Salt River Project", "Arizona Public Service")}


@dataclass(slots=True)
class Seeded:
    """What was made: nodes in the order of their profiles, and what demo.json says."""

    profiles: list[HomeProfile]
    nodes: list[Node] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    users: list[dict[str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        nodes = [
            {"id": node.pk, "hostname": node.hostname, "token": token}
            for node, token in zip(self.nodes, self.tokens, strict=True)
        ]
        return {"users": self.users, "nodes": nodes}


def exists() -> bool:
    """Whether its people do, who come first: its history and its billing may not be there yet."""
    return User.objects.filter(email=_HOUSEHOLD[0][0]).exists()


def anybody() -> bool:
    """Whether there are people or homes at all."""
    return User.objects.exists() or Home.objects.exists()


@transaction.atomic
def seed_people_and_homes(count: int, seed: int) -> Seeded:
    hostnames = [f"xfra-{i:05d}" for i in range(1, count + 1)]
    seeded = Seeded(profiles_for(hostnames, seed))
    for i, profile in enumerate(seeded.profiles):
        node, token = provision(_plan(i, profile))
        HomeAddress.objects.create(
            home=node.home, street=f"{100 + i} Simulated Street", city=_city(profile), state=_state(profile),
            postal_code="00000",
        )  # fmt: skip
        seeded.nodes.append(node)
        seeded.tokens.append(token)
    _people(seeded)
    OperatorContact.objects.bulk_create(OperatorContact(**contact) for contact in _CONTACTS)
    return seeded


def _plan(i: int, profile: HomeProfile) -> Plan:
    groups, utilities = _GROUPS[profile.climate], _UTILITIES[profile.climate]
    return Plan(
        hostname=profile.hostname,
        timezone=profile.timezone,
        utility=utilities[i % len(utilities)],
        provider=profile.isp,
        home_name=f"Simulated home {i + 1}",
        site_group=groups[i % len(groups)],
        feeder=f"feeder {1 + i % 5}",
        firmware="1.4.2" if profile.generation == "base_units" else "1.3.9",
        is_simulated=True,
        promised_download_bps=int(profile.download_plan_bits_per_second),
        promised_upload_bps=int(profile.upload_plan_bits_per_second),
    )


def _city(profile: HomeProfile) -> str:
    return "Henderson" if profile.climate == "las_vegas" else "Mesa"


def _state(profile: HomeProfile) -> str:
    return "NV" if profile.climate == "las_vegas" else "AZ"


def _people(seeded: Seeded) -> None:
    first = seeded.nodes[0].home
    for email, name, member_role in _HOUSEHOLD:
        Membership.objects.create(home=first, user=_user(seeded, email, name, member_role.value), role=member_role)
    for i, node in enumerate(seeded.nodes[1:4], start=2):
        user = _user(seeded, f"host{i}@example.com", f"Host{i} Simulated", "owner")
        Membership.objects.create(home=node.home, user=user, role=Membership.Role.OWNER)
    for email, name, staff_role in _STAFF:
        user = _user(seeded, email, name, staff_role.value)
        OperatorRole.objects.create(user=user, role=staff_role)
        if staff_role == OperatorRole.Role.TECHNICIAN:
            WorkOrder.objects.create(node=seeded.nodes[0], technician=user, summary="Simulated visit: filter change")


def _user(seeded: Seeded, email: str, name: str, role: str) -> User:
    seeded.users.append({"email": email, "password": PASSWORD, "role": role})
    return User.objects.create_user(email, PASSWORD, name=name)


def seed_history(seeded: Seeded, days: float, seed: int, state_folder: Path | None) -> Iterator[float]:
    """Let the fleet live through the past and store it. Yields the share that is done, every few days."""
    now = datetime.now(UTC).replace(microsecond=0)
    start = now - timedelta(days=days)
    hostnames = [profile.hostname for profile in seeded.profiles]
    Home.objects.filter(is_simulated=True).update(created_at=start)
    backfill = Backfill([node.pk for node in seeded.nodes], _gpus(seeded, seed, start), GPUS_PER_NODE)
    fleet = Fleet(seeded.profiles, seed, start, default_scenario(hostnames, now, seed, int(days) or 1))
    told = 0.0
    until_ms = int(now.timestamp() * 1000)
    for block in generate_history(fleet, until_ms, days=days, fine_days=min(2, days), coarse_step_seconds=180):
        backfill.take(block)
        share = (fleet.at_s - start.timestamp()) / (days * 86_400)
        if share - told >= 0.2:
            told = share
            yield share
    backfill.finish()
    if state_folder is not None:
        state_folder.mkdir(parents=True, exist_ok=True)
        persistence.save(fleet, state_folder)
    yield 1.0


def seed_billing(seeded: Seeded, seed: int) -> Iterator[str]:
    """Once the past is there: tariffs, agreements, readings and statements. Yields what was done."""
    homes = Home.objects.filter(pk__in=[node.home_id for node in seeded.nodes]).order_by("node__hostname")
    found, solar_watts = list(homes), [profile.solar_peak_watts for profile in seeded.profiles]
    yield f"{demo_past.write(found, solar_watts, seed)} days of readings from before telemetry began"
    agreed = [home for place, home in enumerate(found) if place != WITHOUT_AGREEMENT]
    yield from billing_demo.seed(agreed)
    if demo_past.correct(found[0]):
        yield "a statement was corrected"


def _gpus(seeded: Seeded, seed: int, at: datetime) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Database ids, (nodes, 16)."""
    ids = [
        [gpu.pk for gpu in register_gpus(node, gpu_uuids(node.hostname, seed), GPU_MODEL, at)] for node in seeded.nodes
    ]
    return np.array(ids, dtype=np.int64)
