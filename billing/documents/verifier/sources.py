"""Are the readings, the clock and the tariffs the ones that the statement was made from?"""

from __future__ import annotations

import hashlib
import json
import struct
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from billing.documents.verifier.bundle import Bundle, Findings
from billing.documents.verifier.clock import Quarter, days_of, instant, quarter_at, wall_clock
from billing.documents.verifier.tariff import Tariff

CHANNELS: Final = ("site_import", "site_export", "node", "solar")
KNOWN_QUALITIES: Final = "erma"
"""Estimated, from registers kept by the quarter-hour, measured, accepted by a person."""


@dataclass(frozen=True)
class Sources:
    """What a statement is made from."""

    statement: Mapping[str, Any]
    start: date
    end: date
    quarters: list[Quarter]
    channels: Mapping[str, list[int]]
    tariffs: list[tuple[Tariff, date, date]]
    facts: Mapping[str, Any]

    @property
    def cycle(self) -> tuple[date, date]:
        """The billing cycle that the period is a part of, or is."""
        bounds = self.facts["cycle_start"], self.facts["cycle_end"]
        first, after = (date.fromisoformat(bound) if bound else None for bound in bounds)
        return first or self.start, after or self.end


def gather(bundle: Bundle, findings: Findings) -> Sources:
    statement, run = bundle.read("statement.json"), bundle.read("run.json")
    period = statement["period"]
    start, end = date.fromisoformat(period["start"]), date.fromisoformat(period["end"])
    quarters = read_clock(bundle.read("clock.json"), period, start, end, findings)
    channels = read_channels(bundle.read("readings.json"), statement, quarters, findings)
    tariffs = read_tariffs(bundle, statement, findings)
    for name, value in statement["run"].items():
        findings.compare(f"run.{name}", run[name], value, "the statement")
    found = Sources(statement, start, end, quarters, channels, tariffs, run["facts"])
    check_input(found, statement, has_solar="solar" in channels, findings=findings)
    return found


def read_clock(
    clock: Mapping[str, Any], period: Mapping[str, Any], start: date, end: date, findings: Findings
) -> list[Quarter]:
    """The quarter-hours. Local days must begin at midnight, and this machine's time-zone data, if any, must agree."""
    findings.compare("clock.zone", clock["zone"], period["zone"], "the statement")
    count = (clock["ends_at"] - clock["starts_at"]) // 900
    findings.compare("statement.period.interval_count", period["interval_count"], count, "the clock makes")
    quarters = wall_clock(clock, count)
    after = quarter_at(clock, clock["ends_at"])
    by_day = {quarter.on: quarter for quarter in reversed([*quarters, after])}
    if sorted(by_day) != [*days_of(start, end), end]:
        findings.add(
            "statement.period", f"the clock goes from {quarters[0].on} to {after.on}, the period {start} to {end}"
        )
    for on, first in sorted(by_day.items()):
        if (first.hour, first.minute) != (0, 0):
            findings.add("clock.offsets", f"{on} begins at {first.hour:02}:{first.minute:02} and not at midnight")
    check_zone(clock, period["zone"], findings)
    return quarters


def check_zone(clock: Mapping[str, Any], name: str, findings: Findings) -> None:
    try:
        zone = zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        findings.notes.append(f"This machine has no data of the time zone {name}: the clock was taken from the bundle.")
        return
    for second in range(clock["starts_at"], clock["ends_at"] + 1, 900):
        ahead = datetime.fromtimestamp(second, zone).utcoffset()
        given = [entry["seconds"] for entry in clock["offsets"] if entry["from"] <= second][-1]
        if ahead is not None and ahead.total_seconds() != given:
            hours = ahead.total_seconds() / 3600
            findings.add(
                "clock.offsets", f"at {instant(second)} the bundle says {given / 3600:+g} h, {name} has {hours:+g} h"
            )
            return


def day_digest(channel: str, day: Mapping[str, Any]) -> str:
    """What a day of a channel is known by."""
    numbers = ",".join(str(wh) for wh in day["wh"])
    text = f"{channel} {day['on']} {day['starts_at']}\n{day['qualities']}\n{numbers}\n"
    return hashlib.sha256(text.encode()).hexdigest()


def read_channels(
    readings: Mapping[str, Any], statement: Mapping[str, Any], quarters: list[Quarter], findings: Findings
) -> dict[str, list[int]]:
    by_day: dict[str, list[Quarter]] = {}
    for quarter in quarters:
        by_day.setdefault(quarter.on.isoformat(), []).append(quarter)
    found: dict[str, list[int]] = {}
    estimated = 0
    for channel, days in readings["channels"].items():
        if channel not in CHANNELS:
            findings.add(f"readings.{channel}", "no such channel is rated")
            continue
        findings.compare(f"readings.{channel}", [day["on"] for day in days], list(by_day), "the period has the days")
        for day in days:
            check_day(channel, day, by_day.get(day["on"], []), findings)
        found[channel] = [wh for day in days for wh in day["wh"]]
        estimated = max(estimated, sum(day["qualities"].count("e") for day in days))
        if channel != "solar":
            name = f"{channel}_wh"
            findings.compare(
                f"statement.run.{name}", statement["run"][name], sum(found[channel]), "the readings sum to"
            )
    said = statement["run"]["estimated_intervals"]
    findings.compare("statement.run.estimated_intervals", said, estimated, "the readings have")
    found.setdefault("site_export", [0] * len(quarters))
    return found


def check_day(channel: str, day: Mapping[str, Any], quarters: list[Quarter], findings: Findings) -> None:
    place = f"readings.{channel}[{day['on']}]"
    if day_digest(channel, day) != day["sha256"]:
        findings.add(place, "a value or a quality of this day is not the one that was put into the bundle")
    if not len(day["wh"]) == len(day["qualities"]) == len(quarters):
        findings.add(
            place, f"{len(day['wh'])} values and {len(day['qualities'])} qualities; the day has {len(quarters)}"
        )
    if quarters and day["starts_at"] != quarters[0].starts_at:
        findings.add(f"{place}.starts_at", f"the bundle says {day['starts_at']}, the clock {quarters[0].starts_at}")
    if any(not isinstance(wh, int) or isinstance(wh, bool) or wh < 0 for wh in day["wh"]):
        findings.add(f"{place}.wh", "watt-hours are whole numbers and not below zero")
    if set(day["qualities"]) - set(KNOWN_QUALITIES):
        findings.add(
            f"{place}.qualities", "a quarter-hour is missing or in question, and a month with one is not billed"
        )


def read_tariffs(bundle: Bundle, statement: Mapping[str, Any], findings: Findings) -> list[tuple[Tariff, date, date]]:
    found = []
    for index, span in enumerate(statement["run"]["tariffs"]):
        name = f"tariffs/{span['sha256']}.json"
        digest = hashlib.sha256(bundle.bytes_of(name)).hexdigest()
        if digest != span["sha256"]:
            findings.add(
                f"tariffs[{index}]", f"the file hashes to {digest}, the statement was rated by {span['sha256']}"
            )
        tariff = Tariff(bundle.read(name))
        found.append((tariff, date.fromisoformat(span["start"]), date.fromisoformat(span["end"])))
    edges = [statement["period"]["start"], *(span["end"] for span in statement["run"]["tariffs"])]
    starts = [*(span["start"] for span in statement["run"]["tariffs"]), statement["period"]["end"]]
    if edges != starts:
        findings.add("statement.run.tariffs", "the days of the tariffs do not follow one another through the period")
    return found


def check_input(sources: Sources, statement: Mapping[str, Any], *, has_solar: bool, findings: Findings) -> None:
    """The run's hash is over everything that rating depends on."""
    run = statement["run"]
    header = {
        "engine": run["engine_version"],
        "tzdata": run["tzdata_version"],
        "zone": statement["period"]["zone"],
        "start": statement["period"]["start"],
        "end": statement["period"]["end"],
        "spans": [[span["sha256"], span["start"], span["end"]] for span in run["tariffs"]],
        "facts": sources.facts,
        "has_solar": has_solar,
    }
    digest = hashlib.sha256(json.dumps(header, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    for channel in CHANNELS:
        if channel in sources.channels:
            digest.update(struct.pack(f"<{len(sources.channels[channel])}q", *sources.channels[channel]))
    findings.compare(
        "statement.run.input_sha256",
        run["input_sha256"],
        digest.hexdigest(),
        "the readings, the tariffs and the earlier months hash to",
    )
