"""The statement as PDF: tagged (PDF/UA-1), in fonts that typst brings along, the same bytes for the same content."""

from __future__ import annotations

import json
import unicodedata
from decimal import Decimal
from functools import cache
from importlib import resources
from itertools import groupby
from typing import Any, Final

import typst

from billing.agreements import money, plain
from billing.documents import sentences
from billing.documents.content import Line, StatementContent, TariffSpan
from billing.documents.heads import HEADS_ADDRESS
from billing.models import Section
from billing.money import half_away

_LAYOUTS: Final = "billing.documents.layouts"
_SCRIPTS: Final = range(0x20, 0x530)
"""Latin, Greek and Cyrillic: what the fonts have."""
_SIGNS: Final = frozenset("\u00b7\u00d7\u2010\u2011\u2012\u2013\u2014\u2018\u2019\u201c\u201d\u2026\u20ac\u2212")


def statement_pdf(content: StatementContent) -> bytes:
    return rendered("statement.typ", _statement(content), content.issued_at.timestamp() if content.issued_at else 0)


def rendered(layout: str, data: dict[str, Any], timestamp: float) -> bytes:
    """A layout with its texts. Typst takes them as data, so that nothing in them is markup."""
    made = typst.compile(
        resources.files(_LAYOUTS).joinpath(layout).read_bytes(),
        font_paths=_fonts(),
        format="pdf",
        sys_inputs={"data": json.dumps(_printable(data))},
        pdf_standards=["ua-1"],
        timestamp=int(timestamp),
    )
    if not isinstance(made, bytes):
        raise TypeError("typst made several files of a PDF")
    return made


@cache
def _fonts() -> typst.Fonts:
    """None of the machine's, so that every machine makes the same."""
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)


def _printable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _printable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(each) for each in value]
    return printable(value) if isinstance(value, str) else value


def printable(text: str) -> str:
    """With what the fonts have no sign for written in ASCII, or as a question mark."""
    return "".join(_letter(letter) for letter in unicodedata.normalize("NFC", text))


def _letter(letter: str) -> str:
    if (ord(letter) in _SCRIPTS and letter.isprintable()) or letter in _SIGNS:
        return letter
    if letter.isspace():
        return " "
    plainer = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return plainer if plainer.isprintable() and plainer.strip() else "?"


def _statement(content: StatementContent) -> dict[str, Any]:
    number = f"Statement {content.number}" if content.number else "Draft, not issued"
    issued = sentences.day(content.issued_on) if content.issued_on else ""
    return {
        "title": f"Electricity and subsidy, {sentences.days(content.start, content.end)}",
        "keywords": [content.proof.sha256] if content.proof else [],
        "number": " \u00b7 ".join(filter(None, (number, issued))),
        "footer": f"{number}, {content.home}",
        "simulated": "SIMULATED HOME" if content.is_simulated else "",
        "facts": _facts(content),
        "figures": [
            ["You pay", _money(content.you_pay_cents), "all bills and fees, less what we pay you"],
            ["We pay", _money(content.we_pay_cents), "for electricity, internet and the node"],
            _saved(content.saved_cents),
        ],
        "node_cost": content.node_cost,
        "outcome": content.outcome,
        "revision": _revision(content),
        "paid": _paid(content),
        "bill": _bill(content),
        "energy": _energy(content),
        "explanation": list(content.explanation),
        "agreement": _agreement(content),
        "sources": [*map(_tariff, content.tariffs), _quality(content)],
        "proof": _proof(content),
    }


def _saved(cents: int) -> list[str]:
    if cents < 0:
        return ["It cost you more", _money(-cents), "than the same home without us"]
    return ["You saved", _money(cents), "against the same home without us"]


def _facts(content: StatementContent) -> list[list[str]]:
    return [
        *([["For", content.host]] if content.host else []),
        ["Home", content.home],
        ["Utility", content.utility],
        ["Period", sentences.from_to(content.start, content.end)],
    ]


def _revision(content: StatementContent) -> dict[str, Any] | None:
    revision = content.revision
    if revision is None:
        return None
    return {
        "said": f"This statement replaces statement {revision.number}. Why: {revision.why}.",
        "rows": [[each.label, *map(_money, (each.was, each.now, each.change))] for each in revision.lines],
        "total": [revision.total.label, *map(_money, (revision.total.was, revision.total.now, revision.total.change))],
    }


def _paid(content: StatementContent) -> dict[str, Any]:
    bill = content.section(Section.ELECTRICITY)
    electricity = [sum(amounts) for amounts in zip(*map(_cash, bill), strict=True)] or [0, 0, 0]
    others = (*content.section(Section.INTERNET), *content.section(Section.SETTLEMENT))
    return {
        "rows": [
            ["Utility's bill", *map(_money_or_none, electricity)],
            *([line.name, *map(_money_or_none, _cash(line))] for line in others),
        ],
        "total": ["Together", *map(_money, (content.you_pay_cents, content.we_pay_cents, content.in_kind_cents))],
        "note": "Below zero is money received from the other. In kind is what you got without money changing hands.",
    }


def _cash(line: Line) -> tuple[int, int, int]:
    return line.host_cash_cents, line.operator_cash_cents, line.in_kind_cents


def _bill(content: StatementContent) -> dict[str, Any]:
    """Each tariff's lines together; taxes and credits are computed last, but belong to theirs. Without those of a few
    Wh that come to nothing on either side."""
    bill = (
        line
        for line in content.section(Section.ELECTRICITY)
        if line.with_cents or line.without_cents or line.quantity_with
    )
    lines = sorted(bill, key=lambda line: line.span or 0)
    groups = []
    for span, group in groupby(lines, key=lambda line: line.span or 0):
        tariff = content.tariffs[span]
        said = f"{sentences.days(tariff.start, tariff.end)}: {tariff.name}, version {tariff.version}"
        groups.append({"said": said if len(content.tariffs) > 1 else "", "rows": [_bill_row(line) for line in group]})
    totals = (content.bill_with_cents, content.bill_without_cents, content.node_cents)
    return {"groups": groups, "total": ["Bill", "", "", *map(_money, totals)], "note": _bill_note(content)}


def _bill_row(line: Line) -> list[str]:
    return [
        line.name,
        _quantity(line),
        _rate(line),
        *map(_money, (line.with_cents, line.without_cents, line.node_cents)),
    ]


def _bill_note(content: StatementContent) -> str:
    """What in the lines is not plain by itself."""
    said = list(dict.fromkeys(f"{line.name}: {'; '.join(line.hours)}." for line in content.lines if line.hours))
    divided = next((line for line in content.lines if line.days != line.of_days), None)
    if divided is not None:
        share = f"{divided.days}/{divided.of_days}"
        said.append(f"{share}: so many days of a whole billing cycle, {divided.days} of {divided.of_days}.")
    return " ".join(said)


_DECIMALS: Final = {"kWh": 1, "kW": 2, "USD": 2}


def _quantity(line: Line) -> str:
    """With the node."""
    if line.quantity_with is None:
        return ""
    if line.unit == "USD":
        return "" if line.rate == 1 else f"of {_money(int(half_away(line.quantity_with, 2).scaleb(2)))}"
    number = half_away(line.quantity_with, _DECIMALS.get(line.unit, 0))
    plural = "s" if line.unit in ("day", "month", "year") and number != 1 else ""
    share = f" \u00d7 {line.days}/{line.of_days}" if line.days != line.of_days else ""
    return f"{number:,} {line.unit}{plural}{share}".replace("-", "\u2212")


def _rate(line: Line) -> str:
    if line.rate is None:
        return ""
    if line.unit == "USD":
        return "" if line.rate == 1 else f"{plain(line.rate * 100)} %"
    sign = "\u2212" if line.rate < 0 else ""
    return f"{sign}${_at_least_cents(abs(line.rate))}"


def _at_least_cents(rate: Decimal) -> str:
    text = plain(rate)
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


def _energy(content: StatementContent) -> list[list[str]]:
    energy = content.energy
    return [
        ["Node", _kwh(energy.node_wh)],
        ["Home, less solar" if energy.site_export_wh else "Home", _kwh(energy.home_wh)],
        ["From the grid", _kwh(energy.site_import_wh)],
        ["To the grid", _kwh(energy.site_export_wh)],
    ]


def _kwh(wh: int) -> str:
    return f"{half_away(Decimal(wh).scaleb(-3), 1):,} kWh".replace("-", "\u2212")


def _agreement(content: StatementContent) -> dict[str, str] | None:
    agreement = content.agreement
    if agreement is None:
        return None
    note = f"Agreement version {agreement.version}, in force since {sentences.day(agreement.start)}."
    return {"words": " ".join(agreement.words), "note": note}


def _tariff(tariff: TariffSpan) -> str:
    return (
        f"{tariff.utility}, \u201c{tariff.name}\u201d, version {tariff.version}, valid from"
        f" {sentences.day(tariff.valid_from)}. SHA-256 {tariff.sha256[:16]}\u2026"
    )


def _quality(content: StatementContent) -> str:
    quality = content.quality
    clock = f"Days and hours are those of {content.zone.replace('_', ' ')}."
    if not quality.estimated:
        return f"{quality.intervals:,} quarter-hours, all of them measured. {clock}"
    share = sentences.percent(quality.estimated, quality.intervals)
    return f"{quality.intervals:,} quarter-hours, about {share} of them ({quality.estimated:,}) estimated. {clock}"


def _proof(content: StatementContent) -> dict[str, Any] | None:
    proof = content.proof
    if proof is None:
        return None
    said = (
        "The proof bundle of this statement has every reading, the tariff, the agreement, and a program that works"
        " everything out again. It is beside the statement in the portal. The hash below is signed, and published for"
        " everybody in the portal at"
    )
    rows = [
        ["Hash of this statement", proof.sha256],
        ["Hash of the one before", proof.previous_sha256],
        ["Signature", f"{proof.signature[:64]} {proof.signature[64:]}"],
        ["Signed by the key", proof.public_key],
    ]
    return {"said": said, "address": HEADS_ADDRESS, "rows": rows}


def _money(cents: int) -> str:
    return money(cents).replace("-", "\u2212")


def _money_or_none(cents: int) -> str:
    return _money(cents) if cents else ""
