"""One set of facts: state, sentence, needs, tiles and the host's story never contradict each other.

The wrong thought was that each of them may look for itself whether something is amiss.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from homes.models import Home, Node
from telemetry.node_state import Cause, Evidence, State, classify
from telemetry.readings import Cell, GpuLatest, NodeLatest, NodeStatus, Presence
from telemetry.standing import stand
from telemetry.views.node import tiles_of
from xfra_portal.homeowner.story import story

NOW: Final = datetime(2026, 7, 1, 21, 0, tzinfo=UTC)
FINE: Final = {
    "coolant_leak": 0.0, "enclosure_open": 0.0, "grid_up": 1.0, "internet_home_up": 1.0, "node_power_watts": 9_700.0,
}  # fmt: skip
NORMAL: Final = ("as it should be", "Working normally")
AMISS: Final[dict[str, dict[str, Any]]] = {
    "4 of 16 are gone": {"seen": 12},
    "1 of 16 is gone": {"seen": 15},
    "half are gone": {"seen": 8},
    "no GPU ever told": {"seen": None},
    "a leak": {"coolant_leak": 1.0},
    "a leak of days ago": {"coolant_leak": 1.0, "ages": {"coolant_leak": 200_000}},
    "the cabinet": {"enclosure_open": 1.0},
    "an XID": {"xid": 48},
    "an XID and a leak": {"xid": 79, "coolant_leak": 1.0},
    "the grid": {"grid_up": 0.0},
    "the internet": {"internet_home_up": 0.0},
    "no word of the leak sensor": {"coolant_leak": None},
    "no fresh word of the grid": {"ages": {"grid_up": 61}},
}


def told(
    state: State | None = None, cause: Cause = Cause.NONE, seen: int | None = 16, xid: int = 0,
    ages: dict[str, float] | None = None, curtailed: frozenset[str] = frozenset(), **cells: float | None,
) -> tuple[NodeLatest, Any, Any]:  # fmt: skip
    """What is known of a node, what is made of it for operators, and what its household reads."""
    if state is None:
        verdict = classify(Evidence(1.0, True, False, 16, seen, seen or 0, 0, curtailed))
        state, cause = verdict.state, verdict.cause
    gone = tuple(NOW - timedelta(minutes=5) for _ in range(16 - (16 if seen is None else seen)))
    status = NodeStatus(state, cause, NOW - timedelta(hours=2), NOW, Presence(16, seen, gone))
    own = {
        name: Cell(value, NOW - timedelta(seconds=(ages or {}).get(name, 1)))
        for name, value in {**FINE, **cells}.items()
        if value is not None
    }
    watts = {"power_watts": Cell(500.0, NOW)}
    gpus = [GpuLatest(slot, f"GPU-{slot}", slot, watts) for slot in range(seen or 0)]
    if xid and gpus:
        gpus[0] = GpuLatest(0, "GPU-0", 0, {**watts, "xid": Cell(xid, NOW)})
    latest = NodeLatest(7, status, NOW, own, tuple(gpus), {})
    home = Home(timezone="America/Phoenix")
    node = Node(pk=7, hostname="xfra-00007", home=home, expected_gpus=16)
    return latest, stand("xfra-00007", 16, latest, NOW, False), story(home, node, latest, None, NOW)


@pytest.fixture(autouse=True)
def no_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xfra_portal.homeowner.circuits.risen_before", lambda *_: None)


def test_all_is_well_where_all_is_known_and_well() -> None:
    _, standing, said = told()
    assert standing.is_well and standing.sentence.words.startswith("Working normally")
    assert said.story.meaning == "Everything is as it should be."


@pytest.mark.parametrize("amiss", AMISS)
def test_nobody_reads_that_all_is_well_while_something_is_open(amiss: str) -> None:
    latest, standing, said = told(**AMISS[amiss])
    host = f"{said.story.headline} {said.story.meaning}"
    assert NORMAL[0] not in host
    if standing.items:
        assert not standing.is_well and NORMAL[1] not in standing.sentence.words
    gpus = latest.status.gpus
    answering = sum(not tile["missing"] for tile in tiles_of(16, latest, NOW))
    if gpus.seen is not None:
        assert answering == gpus.seen
        assert (latest.status.state is State.WORKING) is (gpus.missing == 0)
        words = f"{gpus.seen} of 16 GPUs answer"
        assert (words in standing.sentence.words) is (gpus.missing > 0)
        assert any(item.sentence == words for item in standing.items) is (gpus.missing > 0)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("cause", Cause)
def test_whatever_the_state_with_any_need_open_nobody_is_calmed(state: State, cause: Cause) -> None:
    """Every state and cause with every pair of things that may be amiss."""
    for one, other in itertools.combinations(AMISS, 2):
        _, standing, said = told(state, cause, **{**AMISS[one], **AMISS[other]})
        host = f"{said.story.headline} {said.story.meaning}"
        assert not standing.items or not any(words in standing.sentence.words for words in NORMAL)
        assert NORMAL[0] not in host, (one, other)
        if said.is_alarm:
            assert "911" in said.story.action, "danger comes with what to do, whatever the state"


def test_twelve_of_sixteen_is_said_alike_to_all() -> None:
    latest, standing, said = told(seen=12)
    assert (latest.status.state, latest.status.cause) == (State.SLOWER, Cause.MISSING_GPUS)
    assert standing.sentence.words.startswith("12 of 16 GPUs answer. The others work")
    assert [(item.sentence, item.at, item.lost_gpus) for item in standing.items] == [
        ("12 of 16 GPUs answer", NOW - timedelta(minutes=5), 4)
    ]
    assert said.story.headline == "Your node is working at three quarters."
    assert said.story.meaning == (
        "Four of its 16 processors stopped answering at 1:55 pm. It is on the operator's list; nothing for you to do."
    )
