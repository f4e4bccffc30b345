"""The only writer of readings: messages in, versions of days out, questions put and answered.

Whatever writes here first locks the home's readings, so that versions are counted on by one at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction
from django.utils import timezone

from billing.intervals.checks import Question
from billing.intervals.day import NO_WH, Answers, superseding
from billing.intervals.days import QUARTER_SECONDS, day_bounds, local_day
from billing.intervals.metering import Metered
from billing.intervals.quality import Quality
from billing.models import Channel, DeviceEpoch, DueDay, Quarantine, RawMessage, Reading, Source
from homes.models import Home, User

Ints = npt.NDArray[np.int64]


DAYS_AT_ONCE: Final = 100
"""Rows of one statement, of some kilobytes each."""


class NotAnswerable(ValueError):
    """This question cannot be answered like that; the message says what can be done instead."""


@dataclass(frozen=True, slots=True)
class Device:
    """What is known of a meter that was put in or set: see DeviceEpoch."""

    name: str = ""
    closing_joules: float | None = None
    opening_joules: float | None = None
    modulus_wh: int | None = None


def lock(home_ids: Iterable[object]) -> None:
    """Until the transaction ends nobody else writes readings of these homes. In order, so that nobody deadlocks."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(7310, hashtext(h)) FROM unnest(%s::text[]) AS h ORDER BY h",
            [sorted(str(home_id) for home_id in home_ids)],
        )
        cursor.fetchall()


def receive(home: Home, source: Source, body: bytes, on: date | None = None, name: str = "") -> tuple[RawMessage, bool]:
    """Keep a message as sent. Returns it, and whether it is new: the same body for the same home and day is not."""
    digest = hashlib.sha256(f"{home.pk}/{source}/{on}/".encode() + body).hexdigest()
    return RawMessage.objects.get_or_create(
        key=digest, defaults={"home": home, "source": source, "on": on, "name": name, "body": body}
    )


def newest(homes: Sequence[Home], on: date, source: Source) -> dict[tuple[object, str], Reading]:
    """The current versions of a day by (home id, channel)."""
    found = Reading.objects.filter(home__in=homes, on=on, source=source).order_by("home_id", "channel", "-version")
    return {(reading.home_id, reading.channel): reading for reading in found.distinct("home_id", "channel")}


def metered_of(reading: Reading) -> Metered:
    return Metered(np.array(reading.wh, np.int64), np.frombuffer(reading.qualities.encode(), np.uint8))


def next_version(
    home: Home,
    channel: str,
    source: Source,
    on: date,
    found: Metered,
    before: Reading | None,
    message: RawMessage | None,
) -> Reading | None:
    """The version of a day that follows, unsaved; None where it would say the same, or nothing is known at all."""
    if before is None:
        if (found.letters == ord(Quality.MISSING)).all():
            return None
        version = 1
    else:
        held = metered_of(before)
        found, version = superseding(held, found), before.version + 1
        if np.array_equal(held.wh, found.wh) and np.array_equal(held.letters, found.letters):
            return None
    return Reading(
        home=home,
        channel=channel,
        source=source,
        on=on,
        version=version,
        wh=found.wh.tolist(),
        qualities=found.qualities,
        message=message,
    )


def record(
    home: Home,
    on: date,
    source: Source,
    found: Mapping[str, Metered],
    message: RawMessage | None,
    before: Mapping[tuple[object, str], Reading],
) -> list[Reading]:
    """Write the versions that are new, and put the questions. The caller holds the lock and has read `before`."""
    versions = [
        version
        for channel, metered in found.items()
        if (version := next_version(home, channel, source, on, metered, before.get((home.pk, channel)), message))
    ]
    Reading.objects.bulk_create(versions)
    ask(home, on, source, {channel: metered.questions for channel, metered in found.items()}, message)
    return versions


def record_days(
    home: Home, source: Source, found: Mapping[date, Mapping[str, Metered]], message: RawMessage
) -> list[Reading]:
    """`record` for the days of a file, by a few queries however many they are. The caller holds the lock."""
    if not found:
        return []
    first, last = min(found), max(found)
    rows = Reading.objects.filter(home=home, on__range=(first, last), source=source)
    held = rows.order_by("on", "channel", "-version").distinct("on", "channel")
    before = {(reading.on, reading.channel): reading for reading in held}
    versions = [
        version
        for on, channels in sorted(found.items())
        for channel, metered in channels.items()
        if (version := next_version(home, channel, source, on, metered, before.get((on, channel)), message))
    ]
    Reading.objects.bulk_create(versions, batch_size=DAYS_AT_ONCE)
    asked = _days_asked_about(home, source, first, last)
    for on, channels in sorted(found.items()):
        questions = {channel: metered.questions for channel, metered in channels.items()}
        if on in asked or any(questions.values()):
            ask(home, on, source, questions, message)
    return versions


def _days_asked_about(home: Home, source: Source, first: date, last: date) -> set[date]:
    """Local days of [first, last] with a question that is open."""
    begin, end = day_bounds(home.timezone, first)[0], day_bounds(home.timezone, last)[1]
    rows = Quarantine.objects.filter(
        home=home, source=source, state="open", started_at__gte=instant(begin), started_at__lt=instant(end)
    )
    starts = rows.values_list("started_at", flat=True)
    return {local_day(home.timezone, int(at.timestamp())) for at in starts}


def ask(
    home: Home, on: date, source: Source, questions: Mapping[str, Sequence[Question]], message: RawMessage | None
) -> None:
    """Put the questions of a day that were not put before; those that no longer arise are closed by the system."""
    begin, end = day_bounds(home.timezone, on)
    rows = {
        (channel, begin + question.first * QUARTER_SECONDS, question.problem.value, question.wh): question
        for channel, some in questions.items()
        for question in some
    }
    first, last = instant(begin), instant(end)
    open_ones = Quarantine.objects.filter(
        home=home, source=source, channel__in=list(questions), state="open", started_at__gte=first, started_at__lt=last
    )
    gone = [
        held.pk
        for held in open_ones
        if (held.channel, int(held.started_at.timestamp()), held.problem, tuple(held.wh)) not in rows
    ]
    if gone:
        Quarantine.objects.filter(pk__in=gone).update(
            state=Quarantine.State.DISCARDED, reason="no longer arises from what is known", resolved_at=timezone.now()
        )
    Quarantine.objects.bulk_create(
        [
            Quarantine(
                home=home,
                channel=channel,
                source=source,
                started_at=instant(start),
                ended_at=instant(start + (question.last - question.first) * QUARTER_SECONDS),
                wh=list(question.wh),
                problem=question.problem,
                detail=question.detail[:300],
                message=message,
            )
            for (channel, start, _, _), question in rows.items()
        ],
        ignore_conflicts=True,
    )


def answers(homes: Sequence[Home], start: datetime, end: datetime, source: Source) -> dict[tuple[object, str], Answers]:
    """What people answered about quarter-hours of [start, end), by (home id, channel)."""
    found: dict[tuple[object, str], dict[tuple[int, int], bool]] = {}
    rows = Quarantine.objects.filter(
        home__in=homes, source=source, resolved_by__isnull=False, started_at__lt=end, ended_at__gt=start
    )
    for row in rows.order_by("resolved_at"):
        mine = found.setdefault((row.home_id, row.channel), {})
        for second, wh in _quarters(row):
            mine[second, wh] = row.state == Quarantine.State.ACCEPTED
    return {**found}


@transaction.atomic
def accept(question: Quarantine, person: User, reason: str) -> None:
    """Take the values that were doubted. Raises NotAnswerable where there are none to take."""
    if not question.wh:
        raise NotAnswerable("its values cannot be told: record the change of device, or discard it")
    _answer(question, person, reason, Quarantine.State.ACCEPTED)


@transaction.atomic
def discard(question: Quarantine, person: User, reason: str) -> None:
    """Leave the stretch unknown."""
    _answer(question, person, reason, Quarantine.State.DISCARDED)


def _answer(question: Quarantine, person: User, reason: str, state: Quarantine.State) -> None:
    home = question.home
    lock([home.pk])
    row = Quarantine.objects.select_for_update().get(pk=question.pk)
    if row.state != Quarantine.State.OPEN:
        raise NotAnswerable(f"it was {row.state} at {row.resolved_at:%Y-%m-%d %H:%M} already")
    if not reason.strip():
        raise NotAnswerable("say why: the reason is kept with the reading")
    row.state, row.reason, row.resolved_by, row.resolved_at = state, reason.strip(), person, timezone.now()
    row.save(update_fields=["state", "reason", "resolved_by", "resolved_at"])
    on = local_day(home.timezone, int(row.started_at.timestamp()))
    before = Reading.objects.filter(home=home, channel=row.channel, source=row.source, on=on).order_by("-version")
    reading = before.first()
    if reading is None:
        if state == Quarantine.State.ACCEPTED:
            raise NotAnswerable("it belongs to no day that has readings: correct the file and import it again")
        return
    begin, end = day_bounds(home.timezone, on)
    found = metered_of(reading)
    wh, letters = found.wh.copy(), found.letters.copy()
    for second, amount in _quarters(row):
        slot = (second - begin) // QUARTER_SECONDS
        if second < end and letters[slot] == ord(Quality.QUARANTINED):
            is_taken = state == Quarantine.State.ACCEPTED
            wh[slot], letters[slot] = (amount, ord(Quality.ACCEPTED)) if is_taken else (0, ord(Quality.MISSING))
    version = next_version(home, row.channel, Source(row.source), on, Metered(wh, letters), reading, reading.message)
    if version:
        version.save(force_insert=True)


def _quarters(question: Quarantine) -> list[tuple[int, int]]:
    """(Unix second, Wh that were asked about or NO_WH) of each quarter-hour of a question."""
    start, end = int(question.started_at.timestamp()), int(question.ended_at.timestamp())
    seconds = range(start, end, QUARTER_SECONDS)
    return list(zip(seconds, question.wh or [NO_WH] * len(seconds), strict=False))


@transaction.atomic
def declare_device(
    home: Home, channel: Channel, started_at: datetime, device: Device, person: User | None
) -> DeviceEpoch:
    """Write down that a meter was changed or how it rolls over; the days from then on are due again."""
    lock([home.pk])
    epoch = DeviceEpoch.objects.create(
        home=home,
        channel=channel,
        started_at=started_at,
        device=device.name,
        closing_joules=device.closing_joules,
        opening_joules=device.opening_joules,
        modulus_wh=device.modulus_wh,
        recorded_by=person,
    )
    first = local_day(home.timezone, int(started_at.timestamp()))
    later = RawMessage.objects.filter(home=home, source=Source.PANEL, on__gte=first).values_list("on", flat=True)
    make_due((home, on) for on in later if on is not None)
    return epoch


def make_due(days: Iterable[tuple[Home, date]]) -> None:
    """Have the readings of these days of these homes computed again when they are over."""
    now = timezone.now()
    DueDay.objects.bulk_create(
        [
            DueDay(home=home, on=on, ended_at=instant(day_bounds(home.timezone, on)[1]), noted_at=now)
            for home, on in sorted(set(days), key=lambda pair: (str(pair[0].pk), pair[1]))
        ],
        batch_size=5_000,
        update_conflicts=True,
        unique_fields=["home", "on"],
        update_fields=["noted_at"],
    )


def erase(message: RawMessage) -> None:
    """Forget what a message said, for somebody whose name may be in it. What was read from it stays."""
    RawMessage.objects.filter(pk=message.pk).update(body=None, erased_at=timezone.now())


def days_until(first: date, last: date) -> list[date]:
    """first ... last, both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def instant(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
