"""The proof bundle: everything that an issued statement was made from, and the program that makes it again.

The same statement gives the same bytes, on any machine: files are in one order, dated by the statement, and stored as
they are. `statement.json` and the tariffs are exactly the bytes that their hashes are of, so that `sha256sum` checks
them.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from billing import chain
from billing.documents import program
from billing.documents.clock import clock_of
from billing.documents.readings import channels_of
from billing.documents.readme import readme
from billing.models import RatingRun, Statement
from billing.rating import Period
from billing.statement_content import load, statement_document
from billing.tariffs import canonical

_NOT_EARLIER: Final = datetime(1980, 1, 1, tzinfo=UTC)
"""No file in a zip can be older."""


class NotIssued(ValueError):
    """A draft has no place in a chain, and nothing to prove."""


class AgreementHidden(PermissionError):
    """The bundle holds the agreement, which a member of the household may not see."""


def file_name(statement: Statement) -> str:
    return f"statement-{statement.number}-proof.zip"


def bundle(statement: Statement) -> bytes:
    """The zip of an issued statement, for its home's owner and the desk. Raises NotIssued, AgreementHidden."""
    (found,) = load([statement.pk])
    if found.state != Statement.State.ISSUED or found.issued_at is None:
        raise NotIssued(f"{found} is not issued")
    return _zipped(files(found), found.issued_at.astimezone(UTC))


def files(statement: Statement) -> dict[str, bytes]:
    """The bundle's files by name, the manifest last."""
    document = statement_document(statement)
    if document["content"] is None:
        raise AgreementHidden(f"{statement}: not without its agreement")
    found = {
        "README.txt": readme(document).encode(),
        "verify_statement.py": program.source().encode(),
        "statement.json": chain.canonical(document["content"]),
        "chain.json": _pretty(document["chain"]),
        "clock.json": _pretty(_clock(statement.run)),
        "readings.json": _readings(statement.run),
        "agreement.json": _pretty(document["agreement"]),
        "run.json": _pretty(_run(document)),
        "ledger.json": _pretty({"entries": document["entries"]}),
        "tariffs.json": _pretty([{key: tariff[key] for key in _TARIFF} for tariff in document["tariffs"]]),
    }
    found |= {f"tariffs/{tariff['sha256']}.json": canonical(tariff["document"]) for tariff in document["tariffs"]}
    if statement.revises is not None:
        before = statement_document(statement.revises)
        found["revises/statement.json"] = chain.canonical(before["content"])
        found["revises/chain.json"] = _pretty(before["chain"])
    hashes = {name: hashlib.sha256(body).hexdigest() for name, body in found.items()}
    return {**found, "manifest.json": _pretty({"sha256": hashes})}


_TARIFF: Final = ("utility", "name", "version", "valid_from", "known_at", "published_at", "sha256")


def _run(document: Mapping[str, Any]) -> dict[str, Any]:
    """The run with its segments by side; `spans` names rows of the portal's database, which mean nothing elsewhere."""
    run = {name: value for name, value in document["run"].items() if name != "spans"}
    sides: dict[str, list[dict[str, Any]]] = {"with": [], "without": []}
    for segment in document["segments"]:
        sides[segment["side"]].append({key: value for key, value in segment.items() if key not in ("side", "ordinal")})
    return {**run, "segments": sides}


def _clock(run: RatingRun) -> dict[str, Any]:
    return clock_of(Period(run.period.zone, run.period.start, run.period.end))


def _readings(run: RatingRun) -> bytes:
    """One day a line, so that two bundles can be laid side by side."""
    parts = []
    for channel, days in channels_of(run).items():
        rows = ",\n".join(json.dumps(day, separators=(",", ":")) for day in days)
        parts.append(f'"{channel}": [\n{rows}\n]')
    return ('{"unit": "Wh", "channels": {\n' + ",\n".join(parts) + "\n}}\n").encode()


def _pretty(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _zipped(found: Mapping[str, bytes], at: datetime) -> bytes:
    stream = io.BytesIO()
    stamp = max(at, _NOT_EARLIER)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, body in found.items():
            entry = zipfile.ZipInfo(name, stamp.timetuple()[:6])
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, body)
    return stream.getvalue()
