"""GPUs that appear, go missing, come back or move, as samples tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from homes.access import acting_as_system
from homes.models import Gpu, InventoryEvent, Node
from telemetry import circuits, reads, registry, states
from telemetry.catalogue import Kind
from telemetry.known_series import KnownSeries
from telemetry.models import Circuit
from telemetry.models.series import MAX_CIRCUITS, MAX_GPUS
from telemetry.refusals import Reason
from telemetry.widening import gather
from tests.telemetry import stored
from tests.telemetry.conftest import MakeNode
from tests.telemetry.messages import STALE, admit_message, batch, gpu, message, series
from tests.telemetry.test_refusals import counted
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


def holdings(*nodes: Node) -> list[list[str]]:
    """Which of the GPUs each node has, by the end of their UUIDs."""
    return [sorted(uuid[-2:] for uuid in Gpu.objects.filter(node=n).values_list("uuid", flat=True)) for n in nodes]


def test_an_honest_move_settles_once_and_stands_in_both_histories(node: Node, make_node: MakeNode) -> None:
    other, _ = make_node()
    powers(node, [0, 1], 0)
    for second in (70, 130, 190):  # it is gone there, and then it is here
        powers(node, [1], second)
    for second in (195, 200, 205):
        powers(other, [0], second, of=node)
        powers(node, [1], second)
    assert events(other) == [("moved", "00")]
    assert events(node) == [("new", "00"), ("new", "01"), ("gone", "00"), ("left", "00")]
    assert InventoryEvent.objects.get(node=other).from_node == node
    assert InventoryEvent.objects.get(node=node, kind="left").to_node == other
    assert holdings(node, other) == [["01"], ["00"]]
    # Its former node empties its backlog: samples are kept where they were measured, the GPU stays where it is.
    kept = len(stored.cells(Kind.GPU, node.pk))
    powers(node, [0, 1], 5)
    assert len(stored.cells(Kind.GPU, node.pk)) == kept + 2
    assert holdings(node, other) == [["01"], ["00"]]
    powers(other, [0], 300, of=node)
    assert len(events(node)) == 4 and len(events(other)) == 1


def test_from_a_node_that_is_silent_it_may_be_carried_away(node: Node, make_node: MakeNode) -> None:
    other, _ = make_node()
    powers(node, [0], 0)
    powers(other, [0], 150, of=node)
    assert holdings(node, other) == [["00"], []], "nobody has found it silent: the portal itself may be behind"
    states.judge([node.pk], now=datetime.fromtimestamp(AT / 1000 + 160, UTC))
    powers(other, [0], 165, of=node)
    assert holdings(node, other) == [[], ["00"]]


@pytest.mark.parametrize("seconds", [0, 5, 115])
def test_what_is_live_behind_another_credential_is_refused_whoever_asks_how_often(
    node: Node, make_node: MakeNode, ingest_redis: redis.Redis, seconds: int
) -> None:
    thief, _ = make_node()
    powers(node, range(16), 0)
    for second in range(seconds, seconds + 20, 5):
        powers(thief, [0, 1, 2, 3], second, of=node)
        powers(node, range(16), second + 1)
    assert holdings(node, thief) == [[f"{slot:02d}" for slot in range(16)], []]
    assert stored.cells(Kind.GPU, thief.pk) == {}
    seen = reads.glances([node.pk, thief.pk], datetime.fromtimestamp(AT / 1000 + seconds + 20, UTC))
    assert (seen[node.pk].gpus_seen, seen[thief.pk].gpus_seen) == (16, 0)
    assert counted(thief) == {Reason.CLAIMED.value: (4, 16)} and counted(node) == {}
    (refused,) = InventoryEvent.objects.filter(node=thief)
    (claimed,) = InventoryEvent.objects.filter(node=node).exclude(kind="new")
    assert (refused.kind, refused.from_node, claimed.kind, claimed.to_node) == ("refused", node, "claimed", thief)


def test_a_claim_is_recorded_again_after_a_day_and_no_sooner(node: Node, make_node: MakeNode) -> None:
    thief, _ = make_node()
    for second in (0, 3600, 2 * 3600):
        written = [(node, 0), (thief, 1)]
        for whose, later in written:
            at = AT - 30 * 3_600_000 + (second + later) * 1000
            write(batch(whose.pk, gpu(0, WATTS, [(at, 5.0)], owner(node))))
    assert events(thief) == [("refused", "00")]
    for whose in (node, thief):
        write(batch(whose.pk, gpu(0, WATTS, [(AT, 5.0)], owner(node))))
    assert events(thief) == [("refused", "00"), ("refused", "00")]


def test_a_layout_that_names_a_gpu_is_no_sample_of_it(node: Node, make_node: MakeNode) -> None:
    """A door remembers for an hour what a node once sent: that is no word of where the GPU is now."""
    other, _ = make_node()
    door, rest = KnownSeries(), [gpu(slot, WATTS, [(AT + 200_000, 5.0)], owner(node)) for slot in (1,)]
    first = message(*(gpu(slot, WATTS, [(AT, 5.0)], owner(node)) for slot in (0, 1)))
    write(admit_message(node.pk, first, door, AT / 1000, AT - 10**7).batch)
    states.judge([node.pk], now=datetime.fromtimestamp(AT / 1000 + 1, UTC))
    later = admit_message(node.pk, message(*rest), door, AT / 1000 + 200, AT - 10**7).batch
    assert len(later.layout.gpus) == 2
    write(later)
    states.judge([node.pk], now=datetime.fromtimestamp(AT / 1000 + 201, UTC))
    powers(other, [0], 205, of=node)
    for _ in range(3):
        write(later)
        powers(other, [0], 210, of=node)
    assert events(node)[2:] == [("gone", "00"), ("left", "00")] and events(other) == [("moved", "00")]
    ended = [gpu(0, WATTS, [(AT + 215_000, STALE)], owner(node))]
    write(batch(node.pk, *ended))
    assert events(other) == [("moved", "00")], "the end of a series is no claim"


def test_every_worker_knows_whose_a_gpu_is_now(node: Node, make_node: MakeNode) -> None:
    """Another one has moved it: what this one remembers does not hold any more."""
    other, _ = make_node()
    powers(node, [0, 1], 0)
    powers(node, [1], 200)
    remembered = {**registry._gpus}, {**registry._layouts}, [*registry._version]
    powers(other, [0], 205, of=node)
    registry._gpus.update(remembered[0])
    registry._layouts.update(remembered[1])
    registry._version[:] = remembered[2]
    before = len(stored.cells(Kind.GPU, node.pk))
    powers(node, [0, 1], 210)
    assert holdings(node, other) == [["01"], ["00"]]
    assert len(stored.cells(Kind.GPU, node.pk)) == before + 1
    assert events(node)[-1] == ("refused", "00")


def test_of_two_who_name_a_new_one_at_once_the_first_has_it(node: Node, make_node: MakeNode) -> None:
    other, _ = make_node()
    write(*(batch(whose.pk, gpu(0, WATTS, [(AT, 5.0)], owner(node))) for whose in (node, other)))
    assert holdings(node, other) == [["00"], []]
    assert events(node) == [("new", "00"), ("claimed", "00")] and events(other) == [("refused", "00")]


@pytest.mark.parametrize(
    ("most", "parts"),
    [
        ("claims.MAX_GPUS", lambda at, node, n: gpu(n, WATTS, [(at, 5.0)], owner(node))),
        ("circuits.MAX_CIRCUITS", lambda at, node, n: series("xfra_circuit_power_watts", [(at, 7.0)], circuit=f"c{n}")),
    ],
)
def test_what_a_node_may_name_is_bounded_and_given_back(
    node: Node, ingest_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch, most: str, parts: Any
) -> None:
    monkeypatch.setattr(f"telemetry.{most}", 3)
    monkeypatch.setattr(circuits, "_FULL_SECONDS", 0.0)
    kind, model = (Kind.GPU, Gpu) if "GPU" in most else (Kind.CIRCUIT, Circuit)
    write(batch(node.pk, *(parts(AT, node, n) for n in range(5))))
    assert len(stored.cells(kind, node.pk)) == 3
    assert counted(node) == {Reason.SUBJECTS.value: (1, 2)}
    long_ago = timezone.now() - timedelta(days=31)
    changes = {"gone_at": long_ago} if kind is Kind.GPU else {"seen_at": long_ago}
    names = model.objects.filter(node=node).order_by("pk")
    model.objects.filter(pk__in=[row.pk for row in names[:2]]).update(**changes)
    write(batch(node.pk, *(parts(AT + 1000, node, n) for n in (3, 4))))
    assert len(stored.cells(kind, node.pk)) == 5
    assert model.objects.filter(node=node).count() == 5, "those that went keep their names, for their history"


def test_the_database_refuses_more_whoever_asks(node: Node) -> None:
    at = timezone.now()
    rows = [Gpu(uuid=f"{node.hostname}-{n}", node=node, slot=n, first_seen_at=at) for n in range(MAX_GPUS + 1)]
    with pytest.raises(IntegrityError, match="at most 64 GPUs"), transaction.atomic():
        Gpu.objects.bulk_create(rows)
    with pytest.raises(IntegrityError, match="at most 128 circuits"), transaction.atomic():
        Circuit.objects.bulk_create([Circuit(node=node, name=str(n)) for n in range(MAX_CIRCUITS + 1)])


def test_the_slot_is_what_the_exporter_says_now(node: Node) -> None:
    """A GPU falls off the bus, and after the restart the others are one less; an address on the bus stays."""

    def told(index: int, uuid: int, second: int) -> Any:
        at, address = AT + second * 1000, f"00000000:0{uuid}:00.0"
        labels = {"UUID": f"GPU-{owner(node)}-{uuid:02d}", "gpu": str(index), "pci_bus_id": address}
        return series("DCGM_FI_DEV_XID_ERRORS", [(at, 79.0 if (uuid, second) == (2, 30) else 0.0)], **labels)

    door = KnownSeries()

    def send(second: int, *indices: tuple[int, int]) -> None:
        body = message(*(told(index, uuid, second) for index, uuid in indices))
        write(admit_message(node.pk, body, door, AT / 1000 + second, AT - 10**7).batch)

    def slots() -> list[tuple[int, str]]:
        found = Gpu.objects.filter(node=node).order_by("uuid").values_list("slot", "pci_address")
        return [(slot, address[9:11]) for slot, address in found]

    send(0, (0, 0), (1, 1), (2, 2))
    assert slots() == [(0, "00"), (1, "01"), (2, "02")]
    send(30, (0, 1), (1, 2))
    assert slots() == [(0, "00"), (0, "01"), (1, "02")]
    glance = reads.glances([node.pk], datetime.fromtimestamp(AT / 1000 + 31, UTC))[node.pk]
    assert [(xid.slot, xid.code) for xid in glance.xids] == [(1, 79)]
    send(10, (0, 0), (1, 1), (2, 2))
    assert slots() == [(0, "00"), (0, "01"), (1, "02")], "a backlog of before changes nothing"
    send(40, (0, 1), (1, 2))
    write(batch(node.pk, series(WATTS, [(AT + 50_000, 5.0)], UUID=f"GPU-{owner(node)}-02")))
    assert slots()[1:] == [(0, "01"), (1, "02")], "an exporter that gives no index says nothing about it"
    send(60, (0, 0), (1, 1), (2, 2))
    assert slots() == [(0, "00"), (1, "01"), (2, "02")]


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
        registry.subject_ids(batches)
        assert len(asked) <= (2 if is_known else 16)
        before = len(asked)
        gather(batches)
        assert len(asked) == before
    for node in nodes:
        assert events(node) == [("new", f"{slot:02d}") for slot in range(16)]
