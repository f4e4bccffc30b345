"""The tariff book: adding, publishing and assigning tariffs, and which versions bill a home on which days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateRange
from django.utils import timezone

from billing.models import RatingRun, Tariff, TariffAssignment, TariffVersion
from billing.rating import TariffSpan
from billing.tariffs import Tariff as ParsedTariff
from billing.tariffs import UnsupportedTariff, check, parse, sha256
from homes.models import Home, Party


class TariffMissing(LookupError):
    """A day on which no published tariff bills the home."""

    def __init__(self, on: date, is_assigned: bool) -> None:
        super().__init__(f"no tariff is assigned on {on}" if not is_assigned else f"no version is published for {on}")
        self.on = on
        self.is_assigned = is_assigned


@dataclass(frozen=True, slots=True)
class VersionSpan:
    """A tariff version bills the local days [start, end)."""

    version_id: int
    sha256: str
    start: date
    end: date


@transaction.atomic
def add_version(
    utility: str, name: str, document: Mapping[str, Any], valid_from: date, *, label: str = "", note: str = ""
) -> TariffVersion:
    """A draft of the line's next version. It may be anything; publishing it may not."""
    tariff, _ = Tariff.objects.get_or_create(utility=utility, name=name, defaults={"label": label})
    Tariff.objects.select_for_update(no_key=True).get(pk=tariff.pk)
    count = TariffVersion.objects.filter(tariff=tariff).count()
    return TariffVersion.objects.create(
        tariff=tariff,
        version=count + 1,
        document=document,
        sha256=sha256(document),
        valid_from=valid_from,
        known_at=timezone.now(),
        note=note,
    )


@transaction.atomic
def publish(version: TariffVersion, by: Party | None = None, at: datetime | None = None) -> TariffVersion:
    """Freeze a version. Raises UnsupportedTariff, which names each field and its remedy; again it changes nothing."""
    found = TariffVersion.objects.select_for_update().get(pk=version.pk)
    if found.published_at is None:
        problems = check(found.document)
        if problems:
            raise UnsupportedTariff(problems)
        found.sha256 = sha256(found.document)  # of what the database gives back, which is what is rated
        found.published_at, found.published_by = at or timezone.now(), by
        found.save(update_fields=["sha256", "published_at", "published_by"])
    return found


@transaction.atomic
def assign(home: Home, tariff: Tariff, start: date, end: date | None = None) -> TariffAssignment:
    """The home is billed by this line from `start`; what billed it until then ends there."""
    for current in TariffAssignment.objects.filter(home=home, span__contains=start):
        kept = DateRange(current.span.lower, start) if current.span.lower < start else DateRange(empty=True)
        TariffAssignment.objects.filter(pk=current.pk).update(span=kept)
    return TariffAssignment.objects.create(home=home, tariff=tariff, span=DateRange(start, end))


@lru_cache(maxsize=512)
def parsed(version_id: int, sha256: str) -> ParsedTariff:
    """A published version as rating takes it; it never changes, so it is kept."""
    return parse(TariffVersion.objects.values_list("document", flat=True).get(pk=version_id, sha256=sha256))


def spans_of(run: RatingRun) -> tuple[TariffSpan, ...]:
    """The tariffs that a run was rated by, each with its local days, in the order in which its lines count them."""
    return tuple(
        TariffSpan(
            parsed(span["tariff_version"], span["sha256"]),
            date.fromisoformat(span["start"]),
            date.fromisoformat(span["end"]),
        )
        for span in run.spans
    )


class Book:
    """Assignments of some homes and the published versions of their lines, fetched by two queries."""

    def __init__(self, home_ids: Iterable[UUID], start: date, end: date) -> None:
        self._assigned: dict[UUID, list[TariffAssignment]] = {}
        rows = TariffAssignment.objects.filter(home__in=list(home_ids), span__overlap=DateRange(start, end))
        for row in rows.order_by("span"):
            self._assigned.setdefault(row.home_id, []).append(row)
        lines = {row.tariff_id for found in self._assigned.values() for row in found}
        self._versions: dict[int, list[tuple[date, int, str]]] = {}
        published = TariffVersion.objects.published().filter(tariff__in=lines, valid_from__lt=end)
        for line, valid_from, pk, digest in published.order_by("valid_from", "version").values_list(
            "tariff_id", "valid_from", "pk", "sha256"
        ):
            self._versions.setdefault(line, []).append((valid_from, pk, digest))

    def spans(self, home_id: UUID, start: date, end: date) -> list[VersionSpan]:
        """Spans that tile [start, end). Raises TariffMissing for the first day that none covers."""
        found: list[VersionSpan] = []
        day = start
        while day < end:
            span = self._span_at(home_id, day, end)
            if found and found[-1].version_id == span.version_id:
                span = VersionSpan(span.version_id, span.sha256, found.pop().start, span.end)
            found.append(span)
            day = span.end
        return found

    def _span_at(self, home_id: UUID, day: date, end: date) -> VersionSpan:
        assigned = next((row for row in self._assigned.get(home_id, []) if _contains(row.span, day)), None)
        if assigned is None:
            raise TariffMissing(day, is_assigned=False)
        until = min(end, assigned.span.upper or end)
        versions: Sequence[tuple[date, int, str]] = self._versions.get(assigned.tariff_id, [])
        current = [version for version in versions if version[0] <= day]
        if not current:
            raise TariffMissing(day, is_assigned=True)
        until = min([until, *(valid_from for valid_from, _, _ in versions if day < valid_from)])
        _, pk, digest = current[-1]
        return VersionSpan(pk, digest, day, until)


def _contains(span: DateRange, day: date) -> bool:
    return bool(not span.isempty and span.lower <= day and (span.upper is None or day < span.upper))
