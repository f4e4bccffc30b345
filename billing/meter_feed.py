"""From telemetry's registers to readings: follow what changed, and compute the local days that are over.

Two steps, each of which may be stopped anywhere and done again. Marks of changed node-hours become due days in the
transaction that moves the cursor. A due day is read whole, joined with what was read of it before (telemetry forgets
its raw samples, a day's evidence is kept), and written as new versions where Wh or quality differ. A day that is
still going on waits: a version for each of its quarter-hours would be kept for ever.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Final

import numpy as np
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.utils import timezone

from billing import recording
from billing.intervals import evidence as evidences
from billing.intervals.day import Circumstances, meter_day
from billing.intervals.days import day_bounds, day_edges, local_day
from billing.intervals.edges import Edges, Epoch
from billing.intervals.evidence import Evidence
from billing.intervals.shapes import Shape, like_days
from billing.models import DeviceEpoch, DueDay, FeedCursor, RawMessage, Reading, Source
from homes.models import Home, Node
from telemetry import registers
from telemetry.registers import ENERGY_REGISTERS, RegisterEdges

logger = logging.getLogger("billing.meter_feed")

FEED: Final = "registers"
GRACE: Final = timedelta(minutes=15)
"""After a day's end, for what is on its way."""
HOMES_AT_ONCE: Final = 25
SPREAD_DAYS: Final = 36
"""How far a gap's end makes the days before it due again: a little more than registers are searched."""


def follow(seconds: float = 60.0, now: datetime | None = None) -> int:
    """Note what changed, then compute days that are over for about `seconds`. Returns how many days were done."""
    while not note_changes():
        pass
    return compute_due(seconds, now)


@transaction.atomic
def note_changes() -> bool:
    """One page of the feed becomes due days. Returns whether that was all of it."""
    FeedCursor.objects.get_or_create(feed=FEED, defaults={"position": registers.START})
    cursor = FeedCursor.objects.select_for_update().get(feed=FEED)
    changes = registers.registers_changed_since(cursor.position)
    nodes = Node.objects.filter(pk__in={node_id for node_id, _ in changes.marks}).select_related("home")
    homes = {node.pk: node.home for node in nodes}
    touched: set[tuple[Home, date]] = set()
    for node_id, hour in changes.marks:
        if home := homes.get(node_id):
            second = int(hour.timestamp())
            touched |= {(home, local_day(home.timezone, edge)) for edge in (second - 1, second + 3600)}
    recording.make_due(touched)
    if changes.cursor != cursor.position:
        cursor.position = changes.cursor
        cursor.save(update_fields=["position", "moved_at"])
    return changes.is_all


def compute_due(seconds: float = 60.0, now: datetime | None = None) -> int:
    """Compute due days that are over, the oldest first. Returns how many; one that fails stays due and is logged."""
    until, done = time.monotonic() + seconds, 0
    failed: set[int] = set()
    while time.monotonic() < until:
        some = _claimable((now or timezone.now()) - GRACE, failed)
        if not some:
            break
        try:
            done += _compute(some)
        except (OperationalError, InterfaceError):
            raise  # the database is away: everything stays as it is
        except (DatabaseError, ValueError):
            for one in some:
                done += _compute_alone(one, failed)
    return done


def _compute_alone(due: DueDay, failed: set[int]) -> int:
    try:
        return _compute([due])
    except (DatabaseError, ValueError):
        failed.add(due.pk)
        logger.exception("the readings of %s on %s cannot be computed and stay due", due.home_id, due.on)
        return 0


def _claimable(ended_before: datetime, failed: set[int]) -> list[DueDay]:
    """Due days of homes with the same quarter-hours, so that their registers are read together."""
    waiting = DueDay.objects.exclude(pk__in=failed).filter(ended_at__lte=ended_before).order_by("ended_at", "id")
    eldest = waiting.select_related("home").first()
    if eldest is None:
        return []
    alike = waiting.filter(on=eldest.on, home__timezone=eldest.home.timezone).select_related("home__node")
    return list(alike[:HOMES_AT_ONCE])


@transaction.atomic
def _compute(due: Sequence[DueDay]) -> int:
    """Compute the same local day of some homes. Another worker may have done some of them meanwhile."""
    recording.lock(one.home_id for one in due)
    held = {row.pk: row.noted_at for row in DueDay.objects.filter(pk__in=[one.pk for one in due])}
    mine = [one for one in due if one.pk in held]
    if not mine:
        return 0
    homes, on, zone = [one.home for one in mine], mine[0].on, mine[0].home.timezone
    work = _Work(homes, on, day_edges(zone, on))
    for home, fresh in work.read():
        work.write(home, fresh)
    for one in mine:  # a change that was noted while this was read keeps its day due
        DueDay.objects.filter(pk=one.pk, noted_at=held[one.pk]).delete()
    return len(mine)


@dataclass
class _Work:
    """One local day of some homes in one zone."""

    homes: Sequence[Home]
    on: date
    edges: recording.Ints

    def __post_init__(self) -> None:
        self._zone = self.homes[0].timezone
        begin, end = (datetime.fromtimestamp(second, UTC) for second in day_bounds(self._zone, self.on))
        days = [self.on + timedelta(days=n) for n in (-1, 0, 1)]
        rows = RawMessage.objects.filter(home__in=self.homes, on__in=days, source=Source.PANEL)
        self._messages = {
            (message.home_id, message.on): message
            for message in rows.order_by("home_id", "on", "-id").distinct("home_id", "on")
        }
        self._before = recording.newest(self.homes, self.on, Source.PANEL)
        self._answers = recording.answers(self.homes, begin, end, Source.PANEL)
        self._epochs = epochs_of(self.homes)

    def read(self) -> Iterator[tuple[Home, Evidence]]:
        """What telemetry has now."""
        homes = {home.node.pk: home for home in self.homes if hasattr(home, "node")}
        for around in registers.read_around(list(homes), self.edges):
            yield homes[around.node_id], evidence_of(around)

    def write(self, home: Home, fresh: Evidence) -> None:
        """Join it with what is known already, keep it, and write what follows."""
        evidence = evidences.joined(self._kept(home, 0), fresh)
        evidence = evidences.continued(evidence, self._kept(home, -1), self._kept(home, 1))
        if not any(evidences.is_heard(edges) for edges in evidence.values()):
            return
        message, is_new = recording.receive(home, Source.PANEL, evidences.pack(evidence), self.on)
        evidence = {channel: edges for channel, edges in evidence.items() if evidences.is_heard(edges)}
        shapes = {channel: partial(_shape, home, channel, {}) for channel in evidence}
        circumstances = {
            channel: Circumstances(
                shapes[channel], self._epochs.get((home.pk, channel), ()), self._answers.get((home.pk, channel))
            )
            for channel in evidence
        }
        found = meter_day(evidence, home.service_amperes, circumstances)
        recording.record(home, self.on, Source.PANEL, found, message, self._before)
        if is_new:
            self._spread(home, evidence)

    def _kept(self, home: Home, days: int) -> Evidence:
        """What was read already of this day, or of one beside it."""
        held = self._messages.get((home.pk, self.on + timedelta(days=days)))
        return evidences.unpack(bytes(held.body)) if held and held.body is not None else {}

    def _spread(self, home: Home, evidence: Evidence) -> None:
        """A gap over midnight is divided as a whole: what is new at one of its ends is new to every day in it."""
        reached: set[date] = set()
        for edges in evidence.values():
            if edges.is_between[0]:
                first = local_day(self._zone, int(edges.before_ms[0]) // 1000)
                reached.update(recording.days_until(first, self.on - timedelta(days=1))[-SPREAD_DAYS:])
            if edges.is_between[-1]:
                last = local_day(self._zone, int(edges.after_ms[-1]) // 1000)
                reached.update(recording.days_until(self.on + timedelta(days=1), last)[:SPREAD_DAYS])
        if reached:
            recording.make_due((home, on) for on in reached)


def evidence_of(around: RegisterEdges) -> dict[str, Edges]:
    """A node's registers by channel; the names are the same."""
    return {
        channel: Edges(
            around.edges,
            around.before_ms[i],
            around.before_joules[i],
            around.before_slack_ms[i],
            around.after_ms[i],
            around.after_joules[i],
            around.after_slack_ms[i],
        )
        for i, channel in enumerate(ENERGY_REGISTERS)
    }


def epochs_of(homes: Sequence[Home]) -> dict[tuple[object, str], list[Epoch]]:
    """Device epochs by (home id, channel) in order of time; of the same start the one recorded last counts."""
    rows = DeviceEpoch.objects.filter(home__in=homes).order_by("home_id", "channel", "started_at", "id")
    found: dict[tuple[object, str], list[Epoch]] = {}
    for (home_id, channel, started_at), same in itertools.groupby(
        rows, key=lambda row: (row.home_id, row.channel, row.started_at)
    ):
        row = list(same)[-1]
        if not row.withdrawn:
            start = int(started_at.timestamp() * 1000)
            epoch = Epoch(start, row.closing_joules, row.opening_joules, row.modulus_wh)
            found.setdefault((home_id, channel), []).append(epoch)
    return found


def _shape(home: Home, channel: str, known: dict[date, Shape], second: int) -> Shape:
    """The shape of the days before the one in which a gap begins, from what was measured in them."""
    on = local_day(home.timezone, second)
    if on not in known:
        first, last = like_days(on)
        rows = (
            Reading.objects.filter(home=home, channel=channel, source=Source.PANEL, on__gte=first, on__lt=last)
            .order_by("on", "-version")
            .distinct("on")
        )
        days = [(row.on, recording.metered_of(row)) for row in rows]
        known[on] = Shape.of_days(
            home.timezone,
            [(day, metered.wh, np.isin(metered.letters, [ord("m"), ord("r"), ord("a")])) for day, metered in days],
        )
    return known[on]
