"""What is decided about tariffs, agreements and readings; by pages and API alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.urls import reverse

from billing import agreements, tariff_book, utility_files
from billing.models import Tariff, TariffVersion
from billing.settlement import Terms
from billing.tariffs import end_of
from homes.models import Home, User
from xfra_portal import formats
from xfra_portal.desk.done import Done


def import_tariff(utility: str, name: str, document: Mapping[str, Any], valid_from: date, note: str = "") -> Done:
    """A draft; what it lacks to be published is said on its page."""
    label = str(document.get("label") or "")[:40]
    version = tariff_book.add_version(utility, name, document, valid_from, label=label, note=note)
    words = f"{version.tariff}, version {version.version}, is a draft: nothing is billed by it yet."
    ended = end_of(document)
    if ended is not None and ended < valid_from:
        words += f" Its document says that it ended on {ended}."
    to = reverse("desk-tariff", args=[version.pk])
    return Done("tariff_imported", words, to, subject=version.sha256[:12], made=version.pk)


def publish(by: User, version: TariffVersion) -> Done:
    """Raises UnsupportedTariff."""
    tariff_book.publish(version, by.party)
    words = f"{version.tariff}, version {version.version}, is published from {version.valid_from}, and frozen."
    to = reverse("desk-tariff", args=[version.pk])
    return Done("tariff_published", words, to, subject=version.sha256[:12], made=version.pk)


def assign(home: Home, tariff: Tariff, start: date) -> Done:
    made = tariff_book.assign(home, tariff, start)
    words = f"{home.name} is billed by {tariff} from {_spoken(start)}."
    return Done("tariff_assigned", words, reverse("desk-home", args=[home.pk]), home, str(tariff.pk), made=made.pk)


def conclude(by: User, home: Home, terms: Terms, start: date, why: str) -> Done:
    made = agreements.conclude(home, terms, start, by=by.party)
    words = f"Version {made.version} of the agreement with {home.name} is in force from {_spoken(start)}."
    to = reverse("desk-agreement", args=[home.pk])
    return Done("agreement_concluded", words, to, home, str(made.version), why, made.version)


def import_readings(home: Home, name: str, body: bytes, meter: str = "") -> Done:
    """The utility's own count of the site takes the place of the panel's. `meter`: which, if it has several."""
    found = utility_files.import_file(home, body, name, meter)
    words = f"{name}: {formats.count(found.days, 'day')}, {formats.count(found.versions, 'new version')} of readings"
    words += f", {formats.count(found.questions, 'question')} to answer." if found.questions else "."
    words += f" Left out: {'; '.join(found.left_out)}." if found.left_out else ""
    return Done("readings_imported", words, reverse("desk-home", args=[home.pk]), home, name, made=found.message.pk)


def _spoken(on: date) -> str:
    return f"{on:%B} {on.day}, {on.year}"
