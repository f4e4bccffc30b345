"""From batches to wide rows and latest values: nothing lost, nothing twice, whatever the order."""

from __future__ import annotations

import math
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import Error, IntegrityError, connection
from hypothesis import given, settings
from hypothesis import strategies as st

from homes.access import acting_as_system
from homes.models import Gpu, InventoryEvent, Node
from telemetry import latest, reads, rollups, states, storage
from telemetry.batch import Batch
from telemetry.catalogue import COLUMNS, Kind
from telemetry.stream import shard_of
from telemetry.wide_rows import Rows
from telemetry.widening import gather, widen
from tests.telemetry import stored
from tests.telemetry.conftest import MakeNode
from tests.telemetry.messages import STALE, admitted, batch, gpu, series

pytestmark = pytest.mark.usefixtures("system")
AT = int(time.time()) * 1000 - 600_000
TEMP, WATTS, JOULES = (
    "DCGM_FI_DEV_GPU_TEMP_CELSIUS",
    "DCGM_FI_DEV_BOARD_POWER_WATTS",
    "DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL",
)


def write(*batches: Batch) -> None:
    storage.write(batches, shard_of(batches[0].node_id))


def owner(node: Node) -> str:
    """Distinguishes the UUIDs of one node's GPUs."""
    return node.hostname


def own(node: Node) -> latest.State:
    return latest.read([node.pk])[node.pk, Kind.NODE, 0]


def events(node: Node) -> list[tuple[str, str]]:
    found = InventoryEvent.objects.filter(node=node).order_by("id")
    return [(event.kind, event.gpu_uuid.rsplit("-", 1)[1]) for event in found]


def scrape(node: Node, at: int = AT) -> list[object]:
    """Metric by metric, as exporters print them."""
    parts = [gpu(slot, metric, [(at, 1.5 + slot)], owner(node)) for metric in (TEMP, WATTS, JOULES) for slot in (0, 1)]
    parts.append(series("xfra_panel_power_watts", [(at, 950.25)], channel="home"))
    parts.append(series("xfra_panel_energy_joules_total", [(at, 123456789.123)], register="site_import"))
    parts += [series("xfra_circuit_power_watts", [(at, 7.0)], circuit=name) for name in ("oven", "dryer")]
    parts += [series("node_load1", [(at, 0.3)])]
    return parts


SAMPLES = 11


def count(node: Node) -> int:
    return sum(len(stored.cells(kind, node.pk)) for kind in Kind) + len(stored.others(node.pk))


def test_a_scrape_cut_anywhere_in_any_order_and_repeated_is_the_same_scrape(node: Node) -> None:
    """One instant for each way of cutting: the same cells must come of it."""
    parts = scrape(node)
    assert len(parts) == SAMPLES
    for cut in range(1, SAMPLES):
        at = AT + 1000 * cut
        whole = scrape(node, at)
        halves = [batch(node.pk, *half) for half in (whole[:cut], whole[cut:])]
        order = [[0, 1], [1, 0], [0, 1, 0], [1, 0, 1, 0]][cut % 4]
        if cut % 2:
            write(*(halves[i] for i in order))
        else:
            for i in order:
                write(halves[i])
    assert count(node) == SAMPLES * (SAMPLES - 1)
    per_kind = {kind: {(s, name): v for (s, _, name), v in stored.cells(kind, node.pk).items()} for kind in Kind}
    for kind in Kind:
        expected = {
            (s, AT + 1000 * cut, name): v for (s, name), v in per_kind[kind].items() for cut in range(1, SAMPLES)
        }
        assert stored.cells(kind, node.pk) == expected
        assert stored.rows(kind, node.pk) == len({key[:2] for key in expected})
    assert {v for (_, name), v in per_kind[Kind.NODE].items() if name.endswith("joules")} == {123456789.123}
    assert latest.read([node.pk])[node.pk, Kind.NODE, 0].at_ms.max() == AT + 1000 * (SAMPLES - 1)


def test_rows_that_latest_values_have_forgotten_are_completed_all_the_same(node: Node) -> None:
    """They say which rows are new, but it is the primary key that knows."""
    parts, later = scrape(node), scrape(node, AT + 1000)
    write(batch(node.pk, *parts[:6]), batch(node.pk, *later[:3]))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM telemetry_latest WHERE node_id = %s", [node.pk])
    write(batch(node.pk, *parts[4:]), batch(node.pk, *later))
    assert count(node) == 2 * SAMPLES
    assert own(node).at_ms.max() == AT + 1000


def test_latest_values_say_which_rows_are_newer_than_all_of_their_subject(node: Node) -> None:
    write(batch(node.pk, gpu(0, TEMP, [(AT, 1.0)], owner(node))))
    samples = gather(
        [batch(node.pk, *(gpu(s, WATTS, [(AT + t, 1.0) for t in (-1, 0, 1)], owner(node)) for s in (0, 1)))]
    )
    rows = widen(Kind.GPU, samples)
    first = Gpu.objects.get(node=node, slot=0).pk
    said = dict(
        zip(zip(rows.subject_ids.tolist(), rows.at_ms.tolist(), strict=True), latest.advance(rows), strict=True)
    )
    assert {(subject == first, at - AT): bool(is_newer) for (subject, at), is_newer in said.items()} == {
        (True, -1): False,
        (True, 0): False,
        (True, 1): True,
        (False, -1): True,
        (False, 0): True,
        (False, 1): True,
    }


def test_values_come_back_as_they_were_sent(node: Node) -> None:
    rng = random.Random(3)
    sent = {AT + i: rng.uniform(0, 1e15) for i in range(50)}
    write(batch(node.pk, gpu(0, JOULES, sent.items(), owner(node)), series("node_x", sent.items())))
    assert stored.column(Kind.GPU, node.pk, "energy_joules") == sent
    assert stored.others(node.pk) == {("node_x", at): value for at, value in sent.items()}
    narrow = {AT + i: rng.uniform(0, 250) for i in range(50)}
    write(batch(node.pk, gpu(0, TEMP, narrow.items(), owner(node))))
    read = stored.column(Kind.GPU, node.pk, "temperature_celsius")
    assert {at: np.float32(value) for at, value in read.items()} == {at: np.float32(v) for at, v in narrow.items()}


def test_the_later_of_two_values_for_one_cell_stays(node: Node) -> None:
    """As when a sender repeats itself. Two series that contradict each other do not come through a door."""
    for value in (1.0, 2.0):
        write(batch(node.pk, series("xfra_grid_up", [(AT, 1.0)]), series("xfra_sound_decibels", [(AT, value)])))
    write(*(batch(node.pk, series("xfra_sound_decibels", [(AT, value)])) for value in (3.0, 4.0)))
    assert stored.column(Kind.NODE, node.pk, "sound_decibels") == {AT: 4.0}
    assert own(node).cells(Kind.NODE)["sound_decibels"].value == 4.0


def test_out_of_order_never_moves_latest_back(node: Node) -> None:
    instants = [5, 1, 9, 3, 9, 7, 2]
    for second in instants:
        write(batch(node.pk, series("xfra_sound_decibels", [(AT + second * 1000, float(second))])))
    cell = own(node).cells(Kind.NODE)["sound_decibels"]
    assert (cell.value, cell.at) == (9.0, datetime.fromtimestamp(AT / 1000 + 9, UTC))
    assert stored.column(Kind.NODE, node.pk, "sound_decibels") == {AT + s * 1000: float(s) for s in instants}


CELL = st.sampled_from([1.0, 2.0, math.nan])
TOLD = st.tuples(st.integers(1, 3), st.integers(1, 9), st.tuples(CELL, CELL), st.tuples(st.booleans(), st.booleans()))


@given(
    st.lists(TOLD, max_size=20, unique_by=lambda told: told[:2]),
    st.lists(st.tuples(st.integers(0, 9), CELL), min_size=6, max_size=6),
)
@settings(max_examples=200)
def test_many_instants_at_once_are_as_one_after_the_other(
    told: list[tuple[int, int, tuple[float, float], tuple[bool, bool]]], known: list[tuple[int, float]]
) -> None:
    told = sorted(told, key=lambda one: one[:2])
    at_ms = np.array([at for at, _ in known], np.int64).reshape(3, 2)
    values = np.array([value for _, value in known]).reshape(3, 2)
    expected_at, expected = at_ms.copy(), values.copy()
    for subject, at, cells, ends in told:
        for code, (value, ended) in enumerate(zip(cells, ends, strict=True)):
            place, some = (subject - 1, code), not math.isnan(value)
            if (at > expected_at[place] and (some or ended)) or (at == expected_at[place] and some):
                expected_at[place], expected[place] = at, value
    table = latest.Table(np.full(3, 7, np.int64), np.arange(1, 4), at_ms.copy(), values.copy())
    table.take(
        Rows(
            Kind.NODE,
            np.full(len(told), 7, np.int64),
            np.array([one[0] for one in told], np.int64),
            np.array([one[1] for one in told], np.int64),
            np.array([one[2] for one in told], np.float64).reshape(-1, 2),
            np.array([one[3] for one in told], np.bool_).reshape(-1, 2),
        )
    )
    np.testing.assert_array_equal(table.at_ms, expected_at)
    np.testing.assert_array_equal(table.values, expected)


def test_columns_are_latest_each_for_itself(node: Node) -> None:
    write(batch(node.pk, series("xfra_sound_decibels", [(AT + 9000, 40.0)])))
    write(batch(node.pk, series("xfra_outdoor_temperature_celsius", [(AT, 30.0)])))
    cells = own(node).cells(Kind.NODE)
    assert {name: cell.at.timestamp() * 1000 - AT for name, cell in cells.items()} == {
        "sound_decibels": 9000,
        "outdoor_celsius": 0,
    }


@pytest.mark.parametrize("together", [True, False])
def test_a_stale_marker_ends_a_series_in_latest_but_not_in_history(node: Node, together: bool) -> None:
    sent = [(AT, 40.0), (AT + 1000, 41.0), (AT + 2000, STALE)]
    if together:
        write(batch(node.pk, series("xfra_sound_decibels", sent)))
    else:
        for sample in sent:
            write(batch(node.pk, series("xfra_sound_decibels", [sample])))
    assert stored.column(Kind.NODE, node.pk, "sound_decibels") == {AT: 40.0, AT + 1000: 41.0}
    assert "sound_decibels" not in own(node).cells(Kind.NODE)
    # What was measured before the end and comes late does not begin it again; what comes after does.
    write(batch(node.pk, series("xfra_sound_decibels", [(AT + 1500, 42.0)])))
    assert "sound_decibels" not in own(node).cells(Kind.NODE)
    write(batch(node.pk, series("xfra_sound_decibels", [(AT + 3000, 43.0)])))
    assert own(node).cells(Kind.NODE)["sound_decibels"].value == 43.0
    assert len(stored.column(Kind.NODE, node.pk, "sound_decibels")) == 4


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("together", ["one body", "one write", "two writes"])
def test_a_new_label_ends_the_old_series_at_the_instant_at_which_the_new_one_begins(
    node: Node, order: tuple[int, int], together: str
) -> None:
    """As when a GPU reports an XID: an agent sends the new series' value and the old one's stale marker at once."""
    metric = "DCGM_FI_DEV_XID_ERRORS"
    both = [
        gpu(0, metric, [(AT, 79.0)], owner(node), err_code="79"),
        gpu(0, metric, [(AT, STALE)], owner(node), err_code="0"),
    ]
    both = [both[i] for i in order]
    if together == "one body":
        write(batch(node.pk, *both))
    elif together == "one write":
        write(*(batch(node.pk, part) for part in both))
    else:
        for part in both:
            write(batch(node.pk, part))
    assert stored.column(Kind.GPU, node.pk, "xid") == {AT: 79.0}
    state = latest.read([node.pk])[node.pk, Kind.GPU, Gpu.objects.get(node=node).pk]
    assert state.cells(Kind.GPU)["xid"].value == 79.0


def test_an_unsupported_field_and_an_end_make_no_row(node: Node) -> None:
    write(batch(node.pk, gpu(0, TEMP, [(AT, 9223372036854775794.0)], owner(node)), series("x", [(AT, STALE)])))
    assert count(node) == stored.rows(Kind.GPU, node.pk) == 0


def test_outside_the_catalogue_nan_is_a_value(node: Node) -> None:
    """What a Go summary says of a window in which nothing happened."""
    write(
        batch(node.pk, series("go_gc_duration_seconds", [(AT, math.nan), (AT + 1, 0.5), (AT + 2, STALE)], quantile="1"))
    )
    found = stored.others(node.pk)
    assert math.isnan(found.pop(("go_gc_duration_seconds", AT)))
    assert found == {("go_gc_duration_seconds", AT + 1): 0.5}


def test_in_the_catalogue_nan_ends_nothing(node: Node) -> None:
    write(batch(node.pk, series("xfra_sound_decibels", [(AT, 40.0), (AT + 1000, math.nan)])))
    assert reads.latest([node.pk])[node.pk].cells["sound_decibels"].value == 40.0
    assert stored.column(Kind.NODE, node.pk, "sound_decibels") == {AT: 40.0}
    write(batch(node.pk, series("xfra_sound_decibels", [(AT + 2000, STALE)])))
    assert "sound_decibels" not in reads.latest([node.pk])[node.pk].cells


def test_the_same_series_under_two_orders_of_labels_is_one(node: Node) -> None:
    first, second = series("node_load1", [(AT, 1.0)], a="1", b="2"), series("node_load1", [(AT, 1.0)], a="1", b="2")
    labels = list(second.labels)
    del second.labels[:]
    second.labels.extend(reversed(labels))
    write(batch(node.pk, first, second), batch(node.pk, second))
    assert len(stored.others(node.pk)) == 1


def test_labels_decide_nothing_about_whose_data_it_is(node: Node, make_node: MakeNode) -> None:
    other, _ = make_node()
    labels = {"node": other.hostname, "node_id": str(other.pk), "instance": other.hostname, "Hostname": other.hostname}
    write(batch(node.pk, series("xfra_sound_decibels", [(AT, 40.0)], **labels), series("up", [(AT, 1.0)], **labels)))
    assert (count(node), count(other)) == (2, 0)


# Inventory


def outside(node: Node) -> Batch:
    """Before every partition."""
    at = int((time.time() - 300 * 86_400) * 1000)
    found = admitted(node.pk, [gpu(9, TEMP, [(at, 50.0)], owner(node))], hours=400 * 24)
    assert len(found.batch) == 1
    return found.batch


def test_a_sample_outside_the_partitions_rolls_everything_back_and_caches_recover(node: Node) -> None:
    with pytest.raises(IntegrityError, match="no partition"):
        write(batch(node.pk, *scrape(node)), outside(node))
    assert count(node) == 0
    assert not Gpu.objects.filter(node=node).exists()
    assert not InventoryEvent.objects.filter(node=node).exists()
    assert not latest.read([node.pk])
    write(batch(node.pk, *scrape(node)))
    assert count(node) == SAMPLES
    known = set(Gpu.objects.filter(node=node).values_list("pk", flat=True))
    assert {subject for subject, _, _ in stored.cells(Kind.GPU, node.pk)} == known
    assert len(known) == 2


def test_a_batch_that_speaks_of_columns_that_do_not_exist(node: Node) -> None:
    nonsense = batch(node.pk, gpu(0, TEMP, [(AT, 50.0)], owner(node)))
    nonsense.layout.codes[0] = len(COLUMNS[Kind.GPU])
    with pytest.raises(IndexError):
        write(nonsense)
    assert not Gpu.objects.filter(node=node).exists()


def test_a_batch_of_a_node_that_does_not_exist() -> None:
    with pytest.raises(IntegrityError):
        write(batch(2_000_000_000, gpu(0, TEMP, [(AT, 50.0)], "nobody")))
    assert not Gpu.objects.filter(uuid="GPU-nobody-00").exists()


def test_writers_of_overlapping_nodes_lose_nothing_and_do_not_deadlock(make_node: MakeNode) -> None:
    nodes = [make_node()[0] for _ in range(3)]
    stop = threading.Event()

    def send(writer: int) -> None:
        rng = random.Random(writer)
        with acting_as_system():
            for turn in range(4):
                at = AT + (writer * 4 + turn) * 1000
                mine = rng.sample(nodes, 2)
                for shard in (0, 1):
                    some = [batch(n.pk, *rng.sample(scrape(n, at), SAMPLES)) for n in mine if shard_of(n.pk) == shard]
                    if some:
                        storage.write(some, shard)
                        sent.extend((b.node_id, at) for b in some)
            connection.close()

    def interfere() -> None:
        with acting_as_system():
            while not stop.is_set():
                states.judge([n.pk for n in nodes])
                rollups.roll_up_dirty(seconds=0.1)
            connection.close()

    sent: list[tuple[int, int]] = []
    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(interfere)]
        for future in [pool.submit(send, writer) for writer in range(3)]:
            future.result(60)
        stop.set()
        others[0].result(60)
    for node in nodes:
        instants = {at for node_id, at in sent if node_id == node.pk}
        assert count(node) == SAMPLES * len(instants)
        assert own(node).at_ms.max() == max(instants)
        assert Gpu.objects.filter(node=node).count() == 2
        assert len(events(node)) == 2


def test_wide_rows_of_two_batches_in_one_write_meet(node: Node) -> None:
    parts = scrape(node)
    rows = widen(Kind.GPU, gather([batch(node.pk, *parts[:3]), batch(node.pk, *parts[3:])]))
    assert rows.values.shape == (2, len(COLUMNS[Kind.GPU]))
    assert np.count_nonzero(~np.isnan(rows.values)) == 6
    assert not rows.ended.any()
    assert rows.subject_ids.tolist() == sorted(rows.subject_ids.tolist())


def test_the_application_cannot_go_round_the_tables(node: Node) -> None:
    write(batch(node.pk, *scrape(node)))
    with connection.cursor() as cursor, pytest.raises(Error):
        cursor.execute("TRUNCATE telemetry_gpu_sample")
    assert count(node) == SAMPLES


def test_late_by_two_days_is_accepted(node: Node) -> None:
    at = int((time.time() - timedelta(hours=71).total_seconds()) * 1000)
    write(batch(node.pk, *scrape(node, at)))
    assert count(node) == SAMPLES
