"""What a household is told about its node now, from the same facts as the operator's list of what needs somebody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from homes.models import Home, Node, OperatorContact
from telemetry import payloads
from telemetry.attention import Kind
from telemetry.node_state import SILENCE_SECONDS, SILENT, State
from telemetry.readings import NodeLatest
from telemetry.standing import Standing, stand
from xfra_portal import formats, wording
from xfra_portal.homeowner import circuits
from xfra_portal.homeowner.cases import cases_of

_AMISS: Final = {
    ("grid", "down"): "The grid is down.",
    ("internet", "down"): "Your internet is offline.",
}
_UNKNOWN: Final = {
    "grid": "whether the grid is up",
    "internet": "whether your internet is online",
    "leak": "whether there is a leak",
    "cabinet": "whether the cabinet is closed",
}


@dataclass(frozen=True, slots=True)
class Said:
    """The story, and the state that it is of: unknown where nobody has looked for a minute."""

    state: State
    story: wording.Story
    is_alarm: bool = False


def story(home: Home, node: Node, latest: NodeLatest, contact: OperatorContact | None, now: datetime) -> Said:
    """Of the node, while its state is judged; else of us, since a state that nobody judges is no news of the node.

    `latest` has to be read with its GPUs. A sensor's last word of danger stands whoever is behind.
    """
    standing = stand(node.hostname, node.expected_gpus, latest, now, node.in_service_since is not None)
    status, is_alarm = latest.status, standing.has(Kind.LEAK, Kind.OPEN)
    if status.as_of and (now - status.as_of).total_seconds() > SILENCE_SECONDS and not is_alarm:
        return Said(State.UNKNOWN, wording.behind(clock_words(home, status.as_of, now)))
    facts = _facts(home, node, standing, contact)
    return Said(status.state, wording.tell(status.state, status.cause, facts), is_alarm)


def _facts(home: Home, node: Node, standing: Standing, contact: OperatorContact | None) -> wording.Facts:
    latest, now = standing.latest, standing.now
    status, gpus = latest.status, latest.status.gpus
    cases = cases_of(payloads.home_payload(str(home.pk), latest, None), now)
    words = Clock(home, now)
    processors = None
    if gpus.seen is not None:
        processors = wording.Processors(gpus.expected, gpus.seen, words.of(gpus.missing_since))
    return wording.Facts(
        since_clock=words.of(status.since),
        outdoor_celsius=_fresh(latest, "outdoor_celsius", now),
        risen_circuit=circuits.risen_before(node.pk, status.since, now) if status.cause == "headroom" else None,
        silent_seconds=_silent_seconds(latest, now),
        processors=processors,
        leak_clock=words.of_sensor(latest, "coolant_leak") if standing.has(Kind.LEAK) else None,
        open_clock=words.of_sensor(latest, "enclosure_open") if standing.has(Kind.OPEN) else None,
        is_well=standing.is_well,
        has_faults=standing.has(Kind.XID),
        is_carried=cases["battery"] == "carrying",
        node_watts=_fresh(latest, "node_power_watts", now),
        sound_decibels=_fresh(latest, "sound_decibels", now),
        amiss=tuple(words for (name, case), words in _AMISS.items() if cases[name] == case),
        unknown=_unknown(cases),
        call=call_words(contact),
    )


def _unknown(cases: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(words for name, words in _UNKNOWN.items() if cases[name] == "unknown")


def call_words(contact: OperatorContact | None) -> str:
    return f"Call {contact.name}: {contact.phone}, {contact.hours}." if contact else ""


def _fresh(latest: NodeLatest, column: str, now: datetime) -> float | None:
    cell = latest.cells.get(column)
    return cell.value if cell and (now - cell.at).total_seconds() <= SILENCE_SECONDS else None


def _silent_seconds(latest: NodeLatest, now: datetime) -> float | None:
    since = latest.silent_since if latest.status.cause in SILENT else latest.heard_at
    return (now - since).total_seconds() if since else None


@dataclass(frozen=True, slots=True)
class Clock:
    """The home's clock as it is told today."""

    home: Home
    now: datetime

    def of(self, at: datetime | None) -> str | None:
        return clock_words(self.home, at, self.now) if at else None

    def of_sensor(self, latest: NodeLatest, column: str) -> str | None:
        cell = latest.cells.get(column)
        return self.of(cell.at) if cell else None


def clock_words(home: Home, at: datetime, now: datetime) -> str:
    """2:10 pm, and of another day Tuesday 2:10 pm."""
    local = at.astimezone(home.zone)
    same_day = local.date() == now.astimezone(home.zone).date()
    return formats.clock(local) if same_day else f"{local:%A} {formats.clock(local)}"
