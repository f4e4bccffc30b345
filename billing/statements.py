"""Statements: drafted from what was rated, issued with number, chain, postings and notice in one transaction, revised.

Drafts may be made anew as often as one likes. Of what is issued nothing changes: a correction is a statement that
revises it, and only its difference is posted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import transaction

from billing import agreements, bulk, chain, ledger, notices, posting_rules, runs, settlement
from billing.failpoints import reach
from billing.models import Agreement, Notice, Statement, StatementLine
from billing.rating import PairedRating, Segment, round_lines
from billing.rating.segments import TariffSpan
from billing.runs import Days, Held, Rated
from billing.settlement import Line, Settled
from billing.statement_content import contents_of
from homes.models import Home, Party
