"""Registers as billing reads them: the raw neighbours of an instant, and a feed of changes that misses nothing."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from django.db import connection, connections, transaction
from hypothesis import given
from hypothesis import strategies as st

from homes.models import Node
from telemetry import register_marks, registers, rollups, sealing, storage
from telemetry.catalogue import ENERGY_REGISTERS
from telemetry.registers import START, RegisterEdges
from telemetry.stream import shard_of
from tests.telemetry.messages import admitted, series

pytestmark = pytest.mark.usefixtures("system")
HOUR = 3600
BEGIN = int(time.time()) // HOUR * HOUR - 6 * HOUR
NODE = ENERGY_REGISTERS.index("node")


def write(node: Node, joules: dict[int, float], register: str = "node") -> None:
    """Readings of a register at BEGIN + seconds."""
    samples = [((BEGIN + second) * 1000, value) for second, value in joules.items()]
    found = admitted(node.pk, [series("xfra_panel_energy_joules_total", samples, register=register)])
    assert not found.refused, found.complaint
    storage.write([found.batch], shard_of(node.pk))


def around(node: Node, *seconds: int) -> RegisterEdges:
    (found,) = registers.read_around([node.pk], [BEGIN + second for second in seconds])
    return found


def forget_raw(node: Node) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM telemetry_node_sample WHERE node_id = %s", [node.pk])
        cursor.execute("DELETE FROM telemetry_sealed WHERE node_id = %s", [node.pk])


def forget_minutes(node: Node) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM telemetry_rollup_1m WHERE node_id = %s", [node.pk])


def before(found: RegisterEdges) -> list[tuple[float, float, int]]:
    """(seconds since BEGIN, joules, slack in seconds) of the node's register before each edge."""
    return [
        (at / 1000 - BEGIN, joules, slack // 1000)
        for at, joules, slack in zip(
            found.before_ms[NODE].tolist(),
            found.before_joules[NODE].tolist(),
            found.before_slack_ms[NODE].tolist(),
            strict=True,
        )
    ]


def test_the_last_value_at_or_before_and_the_first_at_or_after(node: Node) -> None:
    write(node, {880: 1.25, 890: 2.5, 900: 3.0, 910: 4.0, 1790: 5.0, 1805: 6.0})
    found = around(node, 900, 1800, 2700)
    assert before(found) == [(900, 3.0, 0), (1790, 5.0, 0), (1805, 6.0, 0)]
    assert found.after_joules[NODE].tolist()[:2] == [3.0, 6.0]
    assert np.isnan(found.after_joules[NODE][2])
    assert np.isnan(found.before_joules[NODE - 1]).all(), "a register that is not sent"


def test_sealed_samples_say_the_same_as_rows(node: Node) -> None:
    write(node, {second: 1e11 + second * 17.125 for second in range(0, 4000, 10)})
    rows = before(around(node, 900, 1800, 3600))
    sealing.seal(now=time.time() + 12 * HOUR)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM telemetry_node_sample WHERE node_id = %s", [node.pk])
        assert cursor.fetchone()[0] == 0
    assert before(around(node, 900, 1800, 3600)) == rows


def test_where_raw_is_gone_minutes_know_to_the_minute_and_quarters_to_the_quarter(node: Node) -> None:
    write(node, {second: float(second) for second in range(0, 4000, 10)})
    rollups.roll_up_dirty()
    forget_raw(node)
    found = around(node, 900, 1800)
    assert before(found) == [(840, 890.0, 60), (1740, 1790.0, 60)]
    assert (found.after_ms[NODE] // 1000 - BEGIN).tolist() == [960, 1860]
    forget_minutes(node)
    found = around(node, 900, 1800)
    assert before(found) == [(0, 890.0, 900), (900, 1790.0, 900)]


def test_a_gap_is_bridged_from_hours_away(node: Node) -> None:
    write(node, {-40 * HOUR: 5.0, 10: 900.0})
    rollups.roll_up_dirty()
    found = around(node, -30 * HOUR, -29 * HOUR)
    assert found.before_joules[NODE].tolist() == [5.0, 5.0]
    assert found.after_joules[NODE].tolist() == [900.0, 900.0]


def test_nothing_is_known_of_a_node_that_never_spoke(node: Node) -> None:
    found = around(node, 0, 900)
    assert np.isnan(found.before_joules).all() and np.isnan(found.after_joules).all()


def test_edges_are_whole_quarters(node: Node) -> None:
    with pytest.raises(ValueError, match="whole quarter-hours"):
        list(registers.read_around([node.pk], [BEGIN + 1]))


@given(
    parts=st.lists(
        st.tuples(st.sampled_from([0, 60, 900]), st.integers(-4, 8), st.integers(0, 899)), min_size=1, max_size=12
    ),
    shuffled=st.randoms(),
)
def test_what_is_nearest_does_not_depend_on_the_order_of_looking(parts: Any, shuffled: Any) -> None:
    def looked(order: Any) -> RegisterEdges:
        found = RegisterEdges.unknown(1, np.array([900, 1800, 2700]))
        for slack, quarter, second in order:
            at = quarter * 900 + second
            begin = at // slack * slack if slack else at
            values = np.array([float(at)])
            found.consider(0, np.array([begin * 1000]), np.array([(begin + slack) * 1000]), values)
        return found

    first = looked(parts)
    shuffled.shuffle(parts)
    second = looked(parts)
    assert first.before_ms.tolist() == second.before_ms.tolist()
    assert first.after_ms.tolist() == second.after_ms.tolist()


# The feed


def drained(cursor: str = START, limit: int = 1000) -> tuple[list[tuple[int, int]], str]:
    """((node id, hours since BEGIN) of every mark after a cursor, the cursor after them)"""
    found: list[tuple[int, int]] = []
    while True:
        changes = registers.registers_changed_since(cursor, limit)
        found += [(node_id, (int(hour.timestamp()) - BEGIN) // HOUR) for node_id, hour in changes.marks]
        cursor = changes.cursor
        if changes.is_all:
            return found, cursor


def test_an_hour_comes_when_its_rollups_are_recomputed_and_again_for_late_data(node: Node) -> None:
    rollups.roll_up_dirty()  # what others wrote and left
    _, cursor = drained()
    write(node, {0: 1.0, HOUR: 2.0})
    assert drained(cursor)[0] == []
    rollups.roll_up_dirty()
    found, cursor = drained(cursor)
    assert sorted(found) == [(node.pk, 0), (node.pk, 1)]
    assert drained(cursor)[0] == []
    write(node, {30: 1.5})
    rollups.roll_up_dirty()
    assert drained(cursor)[0] == [(node.pk, 0)]


def test_pages_join_without_a_gap(node: Node) -> None:
    _, cursor = drained()
    hours = [datetime.fromtimestamp(BEGIN + n * HOUR, UTC) for n in range(7)]
    register_marks.note([node.pk], hours)
    assert drained(cursor, limit=2)[0] == [(node.pk, n) for n in range(7)]


def test_a_mark_that_commits_late_is_not_passed_over(node: Node) -> None:
    """A sequence would be: the later transaction's number is read first, and the earlier one never."""
    _, cursor = drained()
    settings = connections["default"].get_connection_params()
    settings.pop("pool", None)
    keep = {key: settings[key] for key in ("dbname", "user", "password", "host", "port") if settings.get(key)}
    with psycopg.connect(**keep) as slow:
        slow.execute("SELECT set_config('xfra.access', 'system', false)")
        slow.execute(
            "INSERT INTO telemetry_register_mark (node_id, hour) VALUES (%s, to_timestamp(%s))", [node.pk, BEGIN]
        )
        with transaction.atomic():
            register_marks.note([node.pk], [datetime.fromtimestamp(BEGIN + HOUR, UTC)])
        early, cursor = drained(cursor)
        slow.commit()
    late, _ = drained(cursor)
    assert (early, late) == ([], [(node.pk, 0), (node.pk, 1)])


def test_a_cursor_of_another_cluster_begins_anew(node: Node) -> None:
    register_marks.note([node.pk], [datetime.fromtimestamp(BEGIN, UTC)])
    assert (node.pk, 0) in drained(f"{2**60}/1/0")[0]


def test_marks_that_nobody_needs_go(node: Node) -> None:
    old = datetime.fromtimestamp(BEGIN, UTC) - timedelta(days=90)
    register_marks.note([node.pk], [old, datetime.fromtimestamp(BEGIN, UTC)])
    register_marks.forget(datetime.fromtimestamp(BEGIN - 1, UTC))
    found, _ = drained()
    assert [mark for mark in found if mark[0] == node.pk] == [(node.pk, 0)]
