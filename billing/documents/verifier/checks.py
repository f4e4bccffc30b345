"""Does the statement follow from its sources, is it signed, and does the ledger say the same?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any, Final

from billing.documents.verifier.bundle import Bundle, Findings, Unreadable
from billing.documents.verifier.ed25519 import is_signed_by
from billing.documents.verifier.rating import Bill, spans_of
from billing.documents.verifier.settling import bill_lines, figures, postings, settle
from billing.documents.verifier.sources import Sources

MADE: Final = "the readings and the tariff make"
SETTLED: Final = "the readings, the tariff and the agreement make"
NOTHING_BEFORE: Final = "0" * 64
FORMAT: Final = "xfra-statement-1"


def check_rating(bundle: Bundle, sources: Sources, findings: Findings) -> tuple[Bill, Bill]:
    """Rates the period with and without the node, and compares every segment."""
    spans = spans_of(sources.tariffs, sources.quarters, sources.cycle)
    said = bundle.read("run.json")["segments"]
    bills = []
    for side in ("with", "without"):
        history = sources.facts[f"{side}_node"]
        bill = Bill(spans, sources.quarters, sources.channels, history, with_node=side == "with")
        findings.compare_rows(f"run.segments.{side}", said[side], [asdict(each) for each in bill.segments], MADE)
        name = f"{side}_dollars"
        findings.compare(f"statement.run.{name}", sources.statement["run"][name], bill.total, MADE)
        bills.append(bill)
    return bills[0], bills[1]


def check_statement(sources: Sources, bills: tuple[Bill, Bill], findings: Findings) -> None:
    """Every line and figure. The figures must also be the sums of the lines as they are written."""
    statement = sources.statement
    rounds_each = any(tariff.get("rounding") == "line" for tariff, _, _ in sources.tariffs)
    bill = bill_lines(bills[0].segments, bills[1].segments, rounds_each=rounds_each)
    lines = settle(bill, statement["agreement"], sources.start, sources.end, sum(sources.channels["node"]))
    numbered = [{"ordinal": index, **line} for index, line in enumerate(lines, start=1)]
    findings.compare_rows("statement.lines", statement["lines"], numbered, SETTLED)
    for name, cents in figures(lines).items():
        findings.compare(f"statement.figures.{name}", statement["figures"][name], cents, SETTLED)
    for name, cents in figures(statement["lines"]).items():
        findings.compare(f"statement.figures.{name}", statement["figures"][name], cents, "its own lines sum to")


def check_agreement(bundle: Bundle, sources: Sources, findings: Findings) -> None:
    agreement = bundle.read("agreement.json")
    for name, value in sources.statement["agreement"].items():
        findings.compare(f"agreement.{name}", agreement[name], value, "the statement was settled by")
    start, end = agreement["start"], agreement["end"]
    if (start and date.fromisoformat(start) > sources.start) or (end and date.fromisoformat(end) < sources.end):
        findings.add("agreement", f"it is in force from {start} to {end}, which does not cover the period")


def check_ledger(bundle: Bundle, statement: Mapping[str, Any], findings: Findings) -> None:
    """One entry whose postings are what the lines say; of a revision, only what it changes."""
    moves = postings(statement["lines"])
    if statement["revises"] is not None:
        for account, cents in postings(bundle.read("revises/statement.json")["lines"]).items():
            moves[account] = moves.get(account, 0) - cents
    moves = {account: cents for account, cents in moves.items() if cents}
    entries = bundle.read("ledger.json")["entries"]
    if len(entries) != (1 if moves else 0):
        findings.add("ledger.entries", f"there are {len(entries)}, the statement makes {1 if moves else 0}")
    for index, entry in enumerate(entries):
        place = f"ledger.entries[{index}]"
        kind = "statement" if statement["revises"] is None else "revision"
        findings.compare(f"{place}.kind", entry["kind"], kind, "the statement is posted as")
        findings.compare(f"{place}.key", entry["key"], f"statement:{statement['number']}", "the statement is posted as")
        findings.compare(f"{place}.at", entry["at"], statement["issued_at"], "the statement was issued at")
        said = {posting["account"]: posting["cents"] for posting in entry["postings"]}
        for account in dict.fromkeys([*said, *moves]):
            name = f"{place}.postings.{account}"
            findings.compare(name, said.get(account, 0), moves.get(account, 0), "the statement's lines move")
        if sum(posting["cents"] for posting in entry["postings"]):
            findings.add(f"{place}.postings", "they do not sum to zero")


def check_chain(bundle: Bundle, folder: str, findings: Findings) -> None:
    """A statement's place in its home's chain: hash and signature. `folder` is "" or "revises/"."""
    link, content = bundle.read(f"{folder}chain.json"), bundle.bytes_of(f"{folder}statement.json")
    place = f"{folder}chain"
    digest = hashlib.sha256(link["previous_sha256"].encode() + content).hexdigest()
    findings.compare(f"{place}.sha256", link["sha256"], digest, "the hash before it and the statement hash to")
    if (link["position"] == 1) != (link["previous_sha256"] == NOTHING_BEFORE):
        findings.add(
            f"{place}.previous_sha256", f"a chain begins with zeros at its first link, and this is {link['position']}"
        )
    if not is_signed(link):
        findings.add(f"{place}.signature", "the public key did not sign this hash")


def is_signed(link: Mapping[str, Any]) -> bool:
    try:
        key, signature = bytes.fromhex(link["public_key"]), bytes.fromhex(link["signature"])
    except ValueError:
        return False
    return is_signed_by(key, signature, link["sha256"].encode())


def check_revised(bundle: Bundle, statement: Mapping[str, Any], findings: Findings) -> None:
    was = bundle.read("revises/statement.json")
    check_chain(bundle, "revises/", findings)
    findings.compare("revises.number", was["number"], statement["revises"], "the statement revises")
    for name in ("home", "period"):
        findings.compare(f"revises.{name}", was[name], statement[name], "the statement is of")
    now, before = bundle.read("chain.json"), bundle.read("revises/chain.json")
    if before["position"] >= now["position"]:
        findings.add("revises.chain.position", "what was revised comes before its revision")


def home_mark(home: str) -> str:
    """How a home is named in the published list, which tells nobody whose it is."""
    return hashlib.sha256(f"xfra-home:{home}".encode()).hexdigest()


def check_heads(bundle: Bundle, heads: Mapping[str, Any], statement: Mapping[str, Any], findings: Findings) -> None:
    """The published list has this statement's hash, and the home's chain in it is unbroken from first to last."""
    mark, link = home_mark(statement["home"]), bundle.read("chain.json")
    chain = sorted((head for head in heads["heads"] if head["home"] == mark), key=lambda head: head["position"])
    mine = [head for head in chain if head["position"] == link["position"]]
    if not mine:
        findings.add("heads", f"link {link['position']} of the home {mark} is not in the published list")
    for head in mine:
        for name in ("previous_sha256", "sha256", "signature", "public_key"):
            findings.compare(f"heads.{name}", link[name], head[name], "the published list")
        findings.compare("heads.statement", statement["number"], head["statement"], "the published list")
    previous = NOTHING_BEFORE
    for index, head in enumerate(chain, start=1):
        place = f"heads[{head['statement']}]"
        if head["position"] != index or head["previous_sha256"] != previous:
            findings.add(place, f"link {head['position']} does not continue the home's chain in the published list")
        if not is_signed(head):
            findings.add(f"{place}.signature", "the public key did not sign this hash")
        previous = head["sha256"]


def check_manifest(bundle: Bundle, findings: Findings) -> None:
    """Whether any file is another than when the bundle was made; a program or text may be, and is only told of."""
    for name, digest in bundle.read("manifest.json")["sha256"].items():
        if hashlib.sha256(bundle.bytes_of(name)).hexdigest() == digest:
            continue
        if name.endswith(".json"):
            findings.add(name, "the file is not the one that was put into the bundle")
        else:
            findings.notes.append(f"{name} is not the file that was put into the bundle.")


def check_format(statement: Mapping[str, Any]) -> None:
    if statement.get("format") != FORMAT:
        raise Unreadable(f"statement.json has the format {statement.get('format')}, this program reads {FORMAT}")
