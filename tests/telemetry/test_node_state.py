"""From evidence to state, and from states to spans."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homes.models import Node
from telemetry import reads, states, storage
from telemetry.evidence import Delivery
from telemetry.models import NodeStateSpan, NodeStatusRow
from telemetry.node_state import SILENCE_SECONDS, Cause, Evidence, State, Verdict, classify
from telemetry.stream import shard_of
from tests.telemetry.conftest import MakeNode
from tests.telemetry.messages import batch, gpu, series

FINE = Evidence(
    silent_seconds=1.0,
    line_was_up=True,
    in_service=False,
    gpus_expected=16,
    gpus_seen=16,
    gpus_busy=16,
    throttle_reasons=0,
    curtailed=frozenset(),
)


def curtailed(*reasons: str) -> dict[str, Any]:
    return {"curtailed": frozenset(reasons)}


def delivered(seconds: float, newest: float) -> dict[str, Any]:
    return {"delivered_seconds": seconds, "newest_seconds": newest}


VERDICTS: list[tuple[dict[str, Any], State, Cause]] = [
    ({}, State.WORKING, Cause.NONE),
    ({"gpus_busy": 0}, State.WORKING, Cause.NONE),  # idle, and all there
    ({"line_was_up": None}, State.WORKING, Cause.NONE),
    # heat and power
    ({"throttle_reasons": 0x1 | 0x2 | 0x4}, State.WORKING, Cause.NONE),
    ({"throttle_reasons": 0x20}, State.SLOWER, Cause.HEAT),
    ({"throttle_reasons": 0x40}, State.SLOWER, Cause.HEAT),
    ({"throttle_reasons": 0x40 | 0x80 | 0x4}, State.SLOWER, Cause.HEAT),
    (curtailed("thermal"), State.SLOWER, Cause.HEAT),
    ({"throttle_reasons": 0x8}, State.SLOWER, Cause.POWER_LIMIT),
    ({"throttle_reasons": 0x80}, State.SLOWER, Cause.POWER_LIMIT),
    # GPUs
    ({"gpus_seen": 15}, State.SLOWER, Cause.MISSING_GPUS),
    ({"gpus_seen": 15, "gpus_busy": 1, "throttle_reasons": 0x20}, State.SLOWER, Cause.HEAT),
    ({"gpus_seen": 15, "gpus_busy": 0}, State.DOWN, Cause.NO_GPUS),
    ({"gpus_seen": 0, "gpus_busy": 0}, State.DOWN, Cause.NO_GPUS),
    ({"gpus_seen": None, "gpus_busy": 0}, State.WORKING, Cause.NONE),  # never told of one
    # for the home and the grid
    (curtailed("headroom"), State.MAKING_ROOM, Cause.HEADROOM),
    (curtailed("grid_event"), State.MAKING_ROOM, Cause.GRID_EVENT),
    (curtailed("outage"), State.MAKING_ROOM, Cause.OUTAGE),
    (curtailed("outage", "headroom", "grid_event", "thermal"), State.MAKING_ROOM, Cause.OUTAGE),
    ({**curtailed("outage"), "gpus_seen": 0, "gpus_busy": 0}, State.MAKING_ROOM, Cause.OUTAGE),
    # paused
    (curtailed("host_pause"), State.PAUSED, Cause.HOST_PAUSE),
    (curtailed("operator"), State.PAUSED, Cause.OPERATOR),
    (curtailed("operator", "host_pause", "outage"), State.PAUSED, Cause.HOST_PAUSE),
    # silence
    ({"silent_seconds": 60.0}, State.WORKING, Cause.NONE),
    ({"silent_seconds": 60.001}, State.UNKNOWN, Cause.SILENT_LINE_UP),
    ({"silent_seconds": 60.001, "line_was_up": False}, State.UNKNOWN, Cause.SILENT),
    ({"silent_seconds": 60.001, "line_was_up": None}, State.UNKNOWN, Cause.SILENT),
    ({"silent_seconds": 1e9, **curtailed("host_pause")}, State.UNKNOWN, Cause.SILENT_LINE_UP),
    ({"silent_seconds": None, "line_was_up": None}, State.UNKNOWN, Cause.NEVER_HEARD),
    # it delivers, but of long ago, or nothing of its own
    ({"silent_seconds": 61.0, **delivered(0.0, 61.0)}, State.UNKNOWN, Cause.LATE),
    ({"silent_seconds": 61.0, **delivered(0.0, 60.0)}, State.UNKNOWN, Cause.NO_READINGS),
    ({"silent_seconds": 110.0, **delivered(50.0, 110.0)}, State.WORKING, Cause.NONE),  # as late as it was when it came
    ({"silent_seconds": 111.0, **delivered(50.0, 111.0)}, State.UNKNOWN, Cause.LATE),
    ({"silent_seconds": 111.0, **delivered(50.0, 110.0)}, State.UNKNOWN, Cause.NO_READINGS),
    ({"silent_seconds": 900.0, **delivered(60.1, 900.0)}, State.UNKNOWN, Cause.SILENT_LINE_UP),
    ({"silent_seconds": -500.0, **delivered(60.1, -500.0)}, State.UNKNOWN, Cause.SILENT_LINE_UP),  # its clock is ahead
    ({"silent_seconds": None, **delivered(0.0, 0.0)}, State.UNKNOWN, Cause.NEVER_HEARD),
    (delivered(0.0, 1.0), State.WORKING, Cause.NONE),
    # a visit explains everything
    ({"in_service": True}, State.SERVICE, Cause.VISIT),
    ({"in_service": True, "silent_seconds": 1e9, **curtailed("outage")}, State.SERVICE, Cause.VISIT),
    ({"in_service": True, "silent_seconds": None}, State.SERVICE, Cause.VISIT),
]


@pytest.mark.parametrize(("change", "state", "cause"), VERDICTS)
def test_evidence_and_verdict(change: dict[str, Any], state: State, cause: Cause) -> None:
    assert classify(replace(FINE, **change)) == Verdict(state, cause)


def test_the_table_knows_every_state_and_cause() -> None:
    assert {state for _, state, _ in VERDICTS} == set(State)
    assert {cause for _, _, cause in VERDICTS} == set(Cause) - {Cause.NOT_JUDGED}, "which is said when read"
    assert SILENCE_SECONDS == 60.0


def test_there_is_a_verdict_for_any_evidence() -> None:
    reasons = ("headroom", "thermal", "grid_event", "outage", "host_pause", "operator", "of a later version")
    for silent, line, service, seen, busy, bits, reason in itertools.product(
        (None, 0.0, 61.0), (None, False, True), (False, True), (0, 16), (0, 16), (0, 0xFF), reasons
    ):
        evidence = Evidence(silent, line, service, 16, seen, min(busy, seen), bits, frozenset({reason}))
        assert classify(evidence).state in State


# Spans

T0 = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


def at(second: float) -> datetime:
    return T0 + timedelta(seconds=second)


def ms(second: float) -> int:
    return int(at(second).timestamp() * 1000)


def came(node: Node, second: float, of: float) -> dict[int, Delivery]:
    return {node.pk: Delivery(at(second), at(of))}


def hear(node: Node, second: float, *parts: Any) -> None:
    """Parts are functions of the instant in milliseconds."""
    storage.write([batch(node.pk, *(part(ms(second)) for part in parts))], shard_of(node.pk))


def panel(at_ms: int) -> Any:
    return series("xfra_panel_power_watts", [(at_ms, 1000.0)], channel="home")


def pause(value: float) -> Any:
    return lambda at_ms: series("xfra_node_curtailed", [(at_ms, value)], reason="host_pause")


def line(value: float) -> Any:
    return lambda at_ms: series("xfra_internet_up", [(at_ms, value)], traffic="home")


def told(node: Node) -> list[tuple[str, str, float, float | None]]:
    return [
        (
            span.state,
            span.cause,
            (span.start - T0).total_seconds(),
            (span.end - T0).total_seconds() if span.end else None,
        )
        for span in reads.state_spans(node.pk, at(-7200), at(7200))
    ]


def assert_contiguous(node: Node) -> None:
    spans = list(NodeStateSpan.objects.filter(node=node).order_by("started_at"))
    for before, after in itertools.pairwise(spans):
        assert before.ended_at == after.started_at
    row = NodeStatusRow.objects.get(node=node)
    assert spans[-1].ended_at is None
    assert (spans[-1].state, spans[-1].cause, spans[-1].started_at) == (row.state, row.cause, row.since)


@pytest.mark.usefixtures("system")
class TestJudge:
    def test_a_life(self, node: Node) -> None:
        assert states.judge([node.pk], at(0)) == {node.pk}
        hear(node, 10, panel, line(1))
        assert states.judge([node.pk], at(11)) == {node.pk}
        assert states.judge([node.pk], at(12)) == set()
        hear(node, 20, panel, pause(1), line(1))
        assert states.judge([node.pk], at(21)) == {node.pk}
        hear(node, 30, panel, pause(0), line(1))
        states.judge([node.pk], at(31))
        assert states.judge([node.pk], at(90)) == set()  # exactly 60 s after its last word
        assert states.judge([node.pk], at(90.001)) == {node.pk}
        hear(node, 300, panel)
        states.judge([node.pk], at(301))
        assert told(node) == [
            ("unknown", "never_heard", 0, 11),
            ("working", "", 11, 21),
            ("paused", "host_pause", 21, 31),
            # Silence began with the last word at 30, but not before the change that was found at 31.
            ("unknown", "silent_line_up", 31, 301),
            ("working", "", 301, None),
        ]
        assert_contiguous(node)

    def test_silence_begins_at_the_last_word(self, node: Node) -> None:
        hear(node, 0, panel)
        states.judge([node.pk], at(1))
        hear(node, 100, panel)
        states.judge([node.pk], at(101))
        for second in (161, 162, 500):
            states.judge([node.pk], at(second))
        assert told(node) == [("working", "", 1, 100), ("unknown", "silent", 100, None)]
        assert_contiguous(node)

    def test_the_portals_own_silence_is_recorded_as_unknown(self, node: Node) -> None:
        """A portal that was shut says nothing of what its nodes did meanwhile, whatever they did before and after."""
        hear(node, 0, panel)
        states.judge([node.pk], at(1), listens_since=at(-900))
        hear(node, 30, panel)
        assert states.judge([node.pk], at(31), listens_since=at(31)) == set(), "half a minute is no silence"
        hear(node, 800, panel)
        assert states.judge([node.pk], at(801), listens_since=at(790)) == {node.pk}
        hear(node, 830, panel)
        assert states.judge([node.pk], at(831), listens_since=at(790)) == set()
        states.judge([node.pk], at(1831), listens_since=at(1760))
        assert told(node) == [
            ("working", "", 1, 31),
            ("unknown", "not_judged", 31, 801),
            ("working", "", 801, 831),
            ("unknown", "not_judged", 831, 1760),
            ("unknown", "silent", 1760, None),
        ]
        assert_contiguous(node)
        assert reads.statuses([node.pk])[node.pk].cause is Cause.NOT_JUDGED, "and so it is read meanwhile"

    def test_a_clock_that_is_behind_is_not_silence(self, node: Node) -> None:
        """What it delivers is of five minutes ago, again and again: it is late, and silent only when nothing comes."""
        for second in (0, 10, 20):
            hear(node, second - 300, panel, line(1))
            states.judge([node.pk], at(second), came(node, second, of=second - 300))
        states.judge([node.pk], at(80))
        assert told(node) == [("unknown", "late", 0, None)]
        states.judge([node.pk], at(80.001))
        assert told(node) == [("unknown", "late", 0, 20), ("unknown", "silent_line_up", 20, None)]
        hear(node, 90, panel)
        states.judge([node.pk], at(91), came(node, 90.5, of=90))
        assert told(node)[-1] == ("working", "", 91, None)
        assert_contiguous(node)

    def test_a_clock_that_is_ahead_hides_no_silence(self, node: Node) -> None:
        hear(node, 500, panel)
        states.judge([node.pk], at(1), came(node, 0, of=500))
        states.judge([node.pk], at(61))
        assert told(node) == [("unknown", "silent", 1, None)]

    def test_an_agent_without_its_exporters_is_not_silence(self, node: Node) -> None:
        """It goes on to say `up 0` of them."""
        hear(node, 0, panel, line(1))
        states.judge([node.pk], at(1), came(node, 1, of=0))
        for second in (30, 60, 90):
            hear(node, second, lambda at_ms: series("up", [(at_ms, 0.0)], job="node"))
            states.judge([node.pk], at(second + 1), came(node, second + 1, of=second))
        assert told(node)[-1] == ("unknown", "no_readings", 1, None)
        states.judge([node.pk], at(120))
        assert told(node)[-1][:2] == ("unknown", "no_readings"), "between two deliveries too"
        states.judge([node.pk], at(200))
        assert told(node)[-2:] == [("unknown", "no_readings", 1, 91), ("unknown", "silent_line_up", 91, None)]
        assert_contiguous(node)

    def test_nobody_is_judged_back_in_time(self, node: Node) -> None:
        """What has waited for days and is stored now is no news of the node."""
        hear(node, 0, panel)
        states.judge([node.pk], at(1), came(node, 0.5, of=0))
        states.judge([node.pk], at(100))
        hear(node, -3000, panel)
        assert states.judge([node.pk], at(-2999), came(node, -2999, of=-3000)) == set()
        assert told(node)[-1] == ("unknown", "silent", 1, None)
        row = NodeStatusRow.objects.get(node=node)
        assert (row.as_of, row.delivered_at, row.newest_at) == (at(100), at(0.5), at(0))

    def test_what_the_last_word_said_of_the_line(self, node: Node) -> None:
        """It is all that is known of it; what was said of the line long before the last word says nothing."""
        hear(node, 0, panel, line(1))
        states.judge([node.pk], at(61))
        assert told(node)[-1][:2] == ("unknown", "silent_line_up")
        hear(node, 62, panel)
        states.judge([node.pk], at(123))
        assert told(node)[-1][:2] == ("unknown", "silent")
        hear(node, 124, panel, line(0))
        states.judge([node.pk], at(185))
        assert told(node)[-1][:2] == ("unknown", "silent")

    def test_a_state_that_nobody_confirms_is_unknown_when_read(self, node: Node) -> None:
        now = datetime.now(UTC)
        hear(node, (now - T0).total_seconds() - 90, panel)
        states.judge([node.pk], now - timedelta(seconds=61))
        found = reads.statuses([node.pk])[node.pk]
        assert (found.state, found.cause) == (State.UNKNOWN, Cause.NOT_JUDGED)
        assert found.as_of == now - timedelta(seconds=61)
        assert told(node)[-1][:2] == ("working", ""), "it is not recorded"
        states.judge([node.pk], now - timedelta(seconds=50))
        assert reads.statuses([node.pk])[node.pk].state is State.WORKING

    def test_since_when_a_gpu_tells_of_its_xid(self, make_node: MakeNode) -> None:
        """The gauge sticks: told anew is not new. Another code is, and so is the same one after none."""
        node, _ = make_node()

        def tell(second: float, code: float) -> tuple[int, float] | None:
            def told(at_ms: int) -> Any:
                return gpu(3, "DCGM_FI_DEV_XID_ERRORS", [(at_ms, code)], node.hostname)

            def watts(at_ms: int) -> Any:
                return gpu(3, "DCGM_FI_DEV_BOARD_POWER_WATTS", [(at_ms, 500.0)], node.hostname)

            hear(node, second, told, watts)
            states.judge([node.pk], at(second))
            (xid,) = reads.glances([node.pk], at(second))[node.pk].xids or (None,)
            assert xid is None or xid.since is not None
            return (xid.code, (xid.since - T0).total_seconds()) if xid and xid.since else None

        assert tell(0, 0) is None
        assert [tell(10, 48), tell(20, 48), tell(500, 48)] == [(48, 10)] * 3
        assert tell(510, 79) == (79, 510)
        assert tell(520, 0) is None
        assert tell(530, 79) == (79, 530)

    def test_fifteen_of_sixteen(self, node: Node) -> None:
        def watts(slots: range, value: float = 500.0) -> list[Any]:
            return [
                lambda at_ms, slot=slot: gpu(slot, "DCGM_FI_DEV_BOARD_POWER_WATTS", [(at_ms, value)], node.hostname)
                for slot in slots
            ]

        hear(node, 0, *watts(range(16)))
        states.judge([node.pk], at(1))
        hear(node, 10, *watts(range(15)))
        states.judge([node.pk], at(11))
        assert told(node)[-1][:2] == ("working", "")  # a GPU may miss a scrape
        hear(node, 70, *watts(range(15)))
        states.judge([node.pk], at(71))
        assert told(node)[-1][:2] == ("slower", "missing_gpus")
        hear(node, 140, *watts(range(15), value=0.0))
        states.judge([node.pk], at(141))
        assert told(node)[-1][:2] == ("down", "no_gpus")
        assert_contiguous(node)

    def test_a_visit(self, node: Node) -> None:
        hear(node, 0, panel)
        states.judge([node.pk], at(1))
        Node.objects.filter(pk=node.pk).update(in_service_since=at(2))
        states.judge([node.pk], at(500))
        assert told(node) == [("working", "", 1, 500), ("service", "visit", 500, None)]

    def test_judging_again_changes_nothing(self, node: Node) -> None:
        hear(node, 0, panel)
        states.judge([node.pk], at(1))
        before = told(node)
        for _ in range(3):
            assert states.judge([node.pk], at(1)) == set()
        assert told(node) == before

    def test_any_history_gives_contiguous_spans(self, make_node: MakeNode) -> None:
        """Words late and early, judges with clocks that run back, deliveries or none: no overlap and no hole ever."""
        for seed in range(3):
            node, rng = make_node()[0], random.Random(seed)
            now = 0.0
            for _ in range(15):
                now += rng.choice([-30, 0, 1, 5, 59, 60, 61, 200])
                if rng.random() < 0.6:
                    word = rng.choice([[panel], [panel, pause(1)], [panel, pause(0)], [line(1)]])
                    hear(node, now + rng.choice([-100, -1, 0, 120]), *word)
                if rng.random() < 0.7:
                    delivered = came(node, now - rng.choice([0, 30, 90]), of=now - rng.choice([-300, 0, 300]))
                    states.judge([node.pk], at(now), delivered if rng.random() < 0.5 else None)
                    assert_contiguous(node)

    def test_who_is_due_to_be_judged(self, make_node: MakeNode) -> None:
        (fresh, _), (stale, _), (never, _) = make_node(), make_node(), make_node()
        states.judge([fresh.pk], at(100))
        states.judge([stale.pk], at(90))
        due = set(states.unconfirmed(at(100)))
        assert due >= {stale.pk, never.pk}
        assert fresh.pk not in due

    def test_nodes_that_do_not_exist_are_no_error(self) -> None:
        assert states.judge([2_000_000_000], at(0)) == set()
        assert states.judge([], at(0)) == set()
