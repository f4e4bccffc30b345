"""The bundle's README: what is in it and how to check it, for somebody who has never heard of the portal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from billing.agreements import money
from billing.documents.heads import HEADS_ADDRESS, home_mark

_TEXT: Final = """\
Proof of statement {number}
{line}

Days {start} up to but not including {end}, {zone}.{revision}
You pay {you_pay}. We pay {we_pay}. You saved {saved}.{simulated}

This folder holds everything that the statement was made from, and a program that makes it again. You do not have to
believe us, and you do not have to believe the program: it is one file of plain Python, to be read from top to bottom.

TO CHECK IT
    python3 verify_statement.py
Python 3.11 or later; nothing else to install, no network. It rates every quarter-hour again, with the node and without
it, settles by the agreement, and compares each number with the statement. If one differs, it says which.

To see that we have not given somebody else another statement {number}, get the list that we publish, save it as
heads.json and check against it:
    {address}?home={mark}
    python3 verify_statement.py --heads heads.json

TWO CHECKS WITHOUT OUR PROGRAM
    (printf %s {previous}; cat statement.json) | sha256sum
gives {sha256},
the hash that is signed. Each tariff's file is named by its own sha256sum.

WHAT IS HERE
    statement.json      the statement: period, agreement, lines, figures. The bytes that are hashed.
    chain.json          the hash of the statement before it, its own, our signature (Ed25519), and our public key
    readings.json       Wh of every quarter-hour by channel and day. Qualities, one letter each: m measured, r from a
                        register kept by the quarter-hour, e estimated, a accepted by a person
    clock.json          by how many seconds the home's clock is ahead of UTC, from when on (epoch seconds)
    tariffs/            the tariff as published: OpenEI URDB, version 8, with our fields for what that leaves open
    tariffs.json        which utility's, which version, since when
    agreement.json      what host and operator agreed on
    run.json            the rating: what the bill is the sum of, exactly, with the node and without it
    ledger.json         what was posted, cents by account, debits above zero
{revises}    manifest.json       the SHA-256 of every file here

HOW THE STATEMENT IS MADE
1. The node's cost is the bill of the whole site less the bill that the site would have had without the node. Both are
   rated by the same tariff. Without the node the home imports less by what the node used, and beyond that exports
   more.
2. A segment is quantity x rate, exact. What is meant for a whole billing cycle is taken by days and rounded to 12
   decimals. Segments that are alike are one line.
3. Cents are rounded once, halves away from zero: on the total (lines then share what is left over by the largest
   remainder) or on each line, as the tariff says.
4. The agreement says who pays the utility and the internet provider, and what host and operator owe each other. Monthly
   amounts are taken by days of the calendar month.
"""
_REVISES: Final = "    revises/            the statement that this one revises, and its place in the chain\n"


def readme(document: Mapping[str, Any]) -> str:
    content, link = document["content"], document["chain"]
    figures, period, number = content["figures"], content["period"], content["number"]
    revised = content["revises"]
    return _TEXT.format(
        number=number,
        line="=" * len(f"Proof of statement {number}"),
        revision=f" It revises statement {revised}: {content['why']}" if revised else "",
        start=period["start"],
        end=period["end"],
        zone=period["zone"],
        you_pay=money(figures["you_pay_cents"]),
        we_pay=money(figures["we_pay_cents"]),
        saved=money(figures["saved_cents"]),
        simulated="\nThe home is simulated: nobody lives there, and no money was paid." if _simulated(document) else "",
        address=f"https://<the portal>{HEADS_ADDRESS}",
        mark=home_mark(content["home"]),
        previous=link["previous_sha256"],
        sha256=link["sha256"],
        revises=_REVISES if revised else "",
    )


def _simulated(document: Mapping[str, Any]) -> bool:
    return bool(document["home"]["is_simulated"])
