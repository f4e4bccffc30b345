"""GPUs that appear, go missing, come back or move, as samples tell."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from homes.access import acting_as_system
from homes.models import Gpu, InventoryEvent, Node
from telemetry import registry, states
from telemetry.catalogue import Kind
from telemetry.widening import gather
from tests.telemetry import stored
from tests.telemetry.conftest import MakeNode
from tests.telemetry.messages import batch, gpu, series
from tests.telemetry.test_storage import AT, TEMP, WATTS, events, owner, write

pytestmark = pytest.mark.usefixtures("system")


def powers(node: Node, slots: range | list[int], second: int, of: Node | None = None) -> None:
    write(batch(node.pk, *(gpu(slot, WATTS, [(AT + second * 1000, 500.0)], owner(of or node)) for slot in slots)))
    states.judge([node.pk], now=datetime.fromtimestamp(AT / 1000 + second + 1, UTC))


def test_a_gpu_that_goes_missing_and_comes_back(node: Node) -> None:
    powers(node, range(16), 0)
    powers(node, range(16), 5)
    assert events(node) == [("new", f"{slot:02d}") for slot in range(16)]
    assert [g.slot for g in Gpu.objects.filter(node=node).order_by("slot")] == list(range(16))
    fifteen = [slot for slot in range(16) if slot != 3]
    powers(node, fifteen, 65)  # exactly 60 s after the last sign of life: not yet
    assert len(events(node)) == 16
    for second in (66, 71, 76):
        powers(node, fifteen, second)
    assert events(node)[16:] == [("gone", "03")]
    gone = Gpu.objects.get(node=node, slot=3)
    assert gone.gone_at == datetime.fromtimestamp(AT / 1000 + 5, UTC)
    for second in (81, 86):
        powers(node, range(16), second)
    assert events(node)[16:] == [("gone", "03"), ("back", "03")]
    gone.refresh_from_db()
    assert gone.gone_at is None


def test_a_node_that_is_silent_as_a_whole_loses_no_gpu(node: Node) -> None:
    powers(node, range(16), 0)
    states.judge([node.pk], now=datetime.fromtimestamp(AT / 1000 + 4000, UTC))
    write(batch(node.pk, series("xfra_sound_decibels", [(AT + 500_000, 40.0)])))
    states.judge([node.pk], now=datetime.fromtimestamp(AT / 1000 + 500, UTC))
    assert {kind for kind, _ in events(node)} == {"new"}


def test_a_gpu_moved_from_another_node(node: Node, make_node: MakeNode) -> None:
    other, _ = make_node()
    powers(node, [0, 1], 0)
    for second in (10, 15):
        powers(other, [0], second, of=node)
    assert events(other) == [("moved", "00")]
    assert InventoryEvent.objects.get(node=other).from_node == node
    moved = Gpu.objects.get(uuid=f"GPU-{owner(node)}-00")
    assert moved.node == other
    # Its former node empties its backlog: samples are kept where they were measured, the GPU stays where it is.
    powers(node, [0, 1], 5)
    assert events(other) == [("moved", "00")]
    assert events(node) == [("new", "00"), ("new", "01")]
    assert len(stored.cells(Kind.GPU, node.pk)) == 4
    powers(node, [0, 1], 100)
    assert events(node)[2:] == [("moved", "00")]


def test_a_gpu_by_a_long_name(node: Node) -> None:
    write(batch(node.pk, series(TEMP, [(AT, 50.0)], UUID="G" * 64, gpu="1", modelName="m" * 300)))
    assert Gpu.objects.get(node=node).model == "m" * 120


# What goes wrong


@pytest.mark.parametrize("is_known", [True, False])
def test_a_worker_that_has_just_started_meets_a_fleet_in_a_few_statements(make_node: MakeNode, is_known: bool) -> None:
    nodes = [make_node()[0] for _ in range(8)]
    powered = [[gpu(slot, WATTS, [(AT, 500.0)], owner(node)) for slot in range(16)] for node in nodes]
    circuits = [series("xfra_circuit_power_watts", [(AT, 7.0)], circuit=name) for name in ("oven", "dryer")]
    batches = [batch(node.pk, *parts, *circuits) for node, parts in zip(nodes, powered, strict=True)]
    if is_known:
        write(*batches)
        registry.forget()
    with acting_as_system(), CaptureQueriesContext(connection) as asked:
        registry.meet(batches)
        assert len(asked) <= (2 if is_known else 10)
        if is_known:
            before = len(asked)
            gather(batches)
            assert len(asked) == before
    for node in nodes:
        assert events(node) == [("new", f"{slot:02d}") for slot in range(16)]
