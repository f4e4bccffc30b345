"""The command: python3 verify_statement.py [bundle.zip or its folder] [--heads heads.json]"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from billing.documents.verifier.bundle import Bundle, Findings, Unreadable, open_bundle
from billing.documents.verifier.checks import (
    check_agreement,
    check_chain,
    check_format,
    check_heads,
    check_ledger,
    check_manifest,
    check_rating,
    check_revised,
    check_statement,
)
from billing.documents.verifier.sources import gather


def verify(bundle: Bundle, heads: Mapping[str, Any] | None = None) -> Findings:
    """Everything, however much of it is wrong. Raises Unreadable where there is nothing to check."""
    findings = Findings()
    statement = bundle.read("statement.json")
    check_format(statement)

    def attempt(title: str, check: Callable[[], Any]) -> Any:
        """A check that stumbles over what it reads has found something too."""
        findings.checked.append(title)
        try:
            return check()
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            findings.add(title, f"cannot be checked: {type(error).__name__}: {error}")
            return None

    sources = attempt("readings, clock and tariffs", lambda: gather(bundle, findings))
    if sources is not None:
        bills = attempt("rating with and without the node", lambda: check_rating(bundle, sources, findings))
        if bills is not None:
            attempt("lines and figures", lambda: check_statement(sources, bills, findings))
        attempt("agreement", lambda: check_agreement(bundle, sources, findings))
    attempt("ledger", lambda: check_ledger(bundle, statement, findings))
    if statement["revises"] is not None:
        attempt("the statement that was revised", lambda: check_revised(bundle, statement, findings))
    attempt("hash chain and signature", lambda: check_chain(bundle, "", findings))
    if heads is not None:
        attempt("published heads", lambda: check_heads(bundle, heads, statement, findings))
    attempt("files", lambda: check_manifest(bundle, findings))
    return findings


def dollars(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}${abs(cents) // 100:,}.{abs(cents) % 100:02}"


def report(bundle: Bundle, findings: Findings) -> str:
    """What was found, in words."""
    statement, link = bundle.read("statement.json"), bundle.read("chain.json")
    said, period = statement["figures"], statement["period"]
    text = [
        f"Statement {statement['number']}, from {period['start']} until before {period['end']}",
        f"  you pay {dollars(said['you_pay_cents'])}, we pay {dollars(said['we_pay_cents'])},"
        f" you saved {dollars(said['saved_cents'])}",
        f"  checked: {', '.join(findings.checked)}",
        *(f"  note: {note}" for note in findings.notes),
    ]
    if findings.found:
        count = len(findings.found)
        text += [f"{count} thing{'s' if count > 1 else ''} in this bundle {'are' if count > 1 else 'is'} not right:"]
        return "\n".join([*text, *(f"  {each}" for each in findings.found)])
    text += [
        "Every cent is as the readings, the tariff and the agreement make it.",
        f"  signed by the key {link['public_key']}",
    ]
    if "published heads" not in findings.checked:
        text.append("  Compare the key with the one that is published, or give the published list: --heads heads.json")
    return "\n".join(text)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="verify_statement.py", description="Recomputes every cent of a statement from its proof bundle."
    )
    parser.add_argument("bundle", nargs="?", type=Path, help="the zip file, or the folder it was unpacked into")
    parser.add_argument("--heads", type=Path, help="the published list of signed hashes, as JSON")
    chosen = parser.parse_args(arguments)
    try:
        bundle = open_bundle(chosen.bundle or Path(__file__).resolve().parent)
        heads = json.loads(chosen.heads.read_bytes(), parse_float=Fraction) if chosen.heads else None
        findings = verify(bundle, heads)
        print(report(bundle, findings))  # noqa: T201 -- it is what the command is for
    except (Unreadable, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        print(f"This cannot be read as a statement's bundle: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 1 if findings.found else 0
