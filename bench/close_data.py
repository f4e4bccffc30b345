"""A month of many homes made in a portal's database, then closed: `python -m bench.close_data HOMES TARIFFS`.

Runs in a portal's environment. The last line is JSON: what was closed, seconds by part, memory, if the books add up.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from datetime import date, datetime
from typing import Any, Final

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xfra_portal.settings")
os.environ["XFRA_ACCESS"] = "system"
django.setup()

from django.db import connections  # noqa: E402

from billing import closing, self_checks, tariff_book  # noqa: E402
from billing.models import Posting, Segment, Statement, StatementLine  # noqa: E402

MONTH: Final = date(2026, 4, 1)
END: Final = date(2026, 5, 1)
ZONES: Final = ("America/Phoenix", "America/Los_Angeles")

_HOMES: Final = """
INSERT INTO homes_home (id, name, timezone, utility, service_amperes, site_group, feeder, is_simulated, created_at)
SELECT gen_random_uuid(), 'Bench ' || n, (%s::text[])[1 + n %% 2], 'Bench Energy', 200, '', '', true, '2024-01-01'
FROM generate_series(1, %s) n
"""
_ASSIGNED: Final = """
INSERT INTO billing_tariffassignment (home_id, tariff_id, span, created_at)
SELECT h.id, (SELECT array_agg(id ORDER BY id) FROM billing_tariff)[1 + row_number() OVER (ORDER BY h.name) %% %s],
  daterange('2024-01-01', NULL), now() FROM homes_home h WHERE h.name LIKE 'Bench %%'
"""
_AGREED: Final = """
INSERT INTO billing_agreement (home_id, version, span, utility_payer, internet_payer, settlement, fee_cents,
  credit_per_kwh, internet_cents, fixed_monthly, concluded_at)
SELECT h.id, 1, daterange('2024-01-01', NULL), CASE k WHEN 1 THEN 'operator' ELSE 'host' END, 'operator',
  (ARRAY['hold_harmless', 'flat_host_fee', 'credit_per_kwh'])[k + 1], CASE k WHEN 1 THEN 15000 END,
  CASE k WHEN 2 THEN 0.11 END, 7000, '[]', now()
FROM (SELECT id, row_number() OVER (ORDER BY name) % 3 AS k FROM homes_home WHERE name LIKE 'Bench %') h
"""
_READ: Final = """
INSERT INTO billing_reading (home_id, channel, source, "on", version, wh, qualities, known_at)
SELECT h.id, c.channel, 'panel', d::date, 1, v.wh, repeat('m', 96), now()
FROM (SELECT id, row_number() OVER (ORDER BY name) AS n FROM homes_home WHERE name LIKE 'Bench %%') h
CROSS JOIN (VALUES ('site_import', 3400), ('site_export', 0), ('node', 3000)) c(channel, most)
CROSS JOIN generate_series(%s::date, %s::date - 1, interval '1 day') d
CROSS JOIN LATERAL (SELECT array_agg(c.most * (60 + (h.n * 7 + q * 13 + extract(day FROM d)::int * 5) %% 41) / 100)
  AS wh FROM generate_series(1, 96) q) v
WHERE h.n > %s AND h.n <= %s
"""
_CHUNK: Final = 1000


def say(text: str) -> None:
    print(text, flush=True)


def document(number: int) -> dict[str, Any]:
    """Three time-of-use periods of two tiers, flat and time-of-use demand, a fixed charge, at rates of its own."""

    def tiers(rate: float) -> list[dict[str, Any]]:
        rate += number / 10_000
        return [{"max": 600, "rate": round(rate, 5), "unit": "kWh"}, {"rate": round(rate + 0.04, 5), "unit": "kWh"}]

    weekday = [0] * 7 + [1] * 8 + [2] * 5 + [1] * 2 + [0] * 2
    peak = [0] * 15 + [1] * 5 + [0] * 4
    return {
        "name": f"Bench {number}",
        "utility": "Bench Energy",
        "energyratestructure": [tiers(0.07), tiers(0.11), tiers(0.21)],
        "energyweekdayschedule": [weekday] * 12,
        "energyweekendschedule": [[0] * 24] * 12,
        "tier_basis": "proportional",
        "demandratestructure": [[{"rate": 0.0}], [{"rate": 9.25}]],
        "demandweekdayschedule": [peak] * 12,
        "demandweekendschedule": [[0] * 24] * 12,
        "demandrateunit": "kW",
        "flatdemandstructure": [[{"rate": 2.5}]],
        "flatdemandmonths": [0] * 12,
        "flatdemandunit": "kW",
        "demandwindow": 15,
        "fixedchargefirstmeter": 18.0,
        "fixedchargeunits": "$/month",
        "holidays": {"treated_as": "weekday"},
        "export_rule": "none",
        "proration": "days",
    }


def main() -> None:
    homes, tariffs = int(sys.argv[1]), int(sys.argv[2])
    began = time.monotonic()
    _seed(homes, tariffs)
    say(f"{homes:,} homes with {tariffs} tariffs and a month of readings are made ({time.monotonic() - began:.0f} s)")
    before, seconds = _peak_mib(), _close()
    problems = [finding.sentence for finding in self_checks.self_check()]
    print(json.dumps({**seconds, **_counts(), "memory_before_mib": before, "peak_mib": _peak_mib(),
                      "cpu_seconds": _cpu(), "problems": problems}), flush=True)  # fmt: skip


def _seed(homes: int, tariffs: int) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute(_HOMES, [list(ZONES), homes])
    for number in range(tariffs):
        version = tariff_book.add_version("Bench Energy", f"Bench {number}", document(number), date(2024, 1, 1))
        tariff_book.publish(version)
    with connections["default"].cursor() as cursor:
        cursor.execute(_ASSIGNED, [tariffs])
        cursor.execute(_AGREED)
        for first in range(0, homes, _CHUNK):
            cursor.execute(_READ, [MONTH, END, first, first + _CHUNK])
            say(f"readings of {min(homes, first + _CHUNK):,} homes")
    with connections["owner"].cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")


def _close() -> dict[str, float]:
    """Seconds of drafting (readings to statements) and issuing (numbers, chains, ledger, outbox)."""
    began = time.monotonic()
    close = closing.begin(MONTH, now=datetime.fromisoformat("2026-05-02T00:00:00+00:00"))
    told = _Teller(began)
    closing.run(close, say=told)
    drafted = time.monotonic()
    closing.run(close, issues=True, say=told)
    issued = time.monotonic()
    return {"draft_seconds": drafted - began, "issue_seconds": issued - drafted, "seconds": issued - began}


class _Teller:
    def __init__(self, began: float) -> None:
        self._began, self._told = began, 0.0

    def __call__(self, progress: closing.Progress) -> None:
        now = time.monotonic()
        if now - self._told >= 5:
            self._told = now
            say(f"{now - self._began:4.0f} s, {_peak_mib():.0f} MiB: {progress}")


def _counts() -> dict[str, int]:
    models = {"statements": Statement, "lines": StatementLine, "segments": Segment, "postings": Posting}
    return {name: model._default_manager.count() for name, model in models.items()}


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
