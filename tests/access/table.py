"""Who gets what behind every door: the one table to read and to extend.

One letter per person, in the order of the heading; a door that is not listed fails the suite.
    .  200      -  404, as if it did not exist      L  302 to the log-in page      U  401
    >  302 elsewhere      x  403      m  405                     ~  200, or 503 while a part is away
"""

from __future__ import annotations

from typing import Final

from tests.cast import NAMES

#   owner member viewer | outsider | operator_viewer operator technician idle_technician billing admin | anonymous
_DOORS = """
start                        >>> > >>>>>> L
home                         ... - ...-.. L
home-electricity             ... - ...-.. L
home-month                   ..- - ----.. L
home-month-line              ..- - ----.. L
home-statements              ..- - ----.. L
home-statements-file         ..- - ----.. L
home-statement               ..- - ----.. L
home-statement-ask           mmm m mmmmmm m
home-statement-file          ..- - ----.. L
home-statement-line          ..- - ----.. L
home-agreement               .-- - ----.. L
home-payouts                 .-- - ----.. L
home-years-file              .-- - ----.. L
home-internet                ... - ...-.. L
home-battery                 ... - ...-.. L
fleet                        --- - ...... L
node                         --- - ...-.. L
dead-letters                 --- - ..--.. L
desk                         --- - ----.. L
desk-month                   --- - ----.. L
desk-progress                --- - ----.. L
desk-statement               --- - ----.. L
desk-line                    --- - ----.. L
desk-statement-file          --- - ----.. L
desk-exceptions              --- - ----.. L
desk-homes                   --- - ----.. L
desk-home                    --- - ----.. L
desk-readings                --- - ----.. L
desk-agreement               --- - ----.. L
desk-payouts                 --- - ----.. L
desk-payouts-file            --- - ----.. L
desk-bills                   --- - ----.. L
desk-tariffs                 --- - ----.. L
desk-tariff                  --- - ----.. L
desk-questions               --- - ----.. L
desk-log                     --- - ----.. L
desk-begin                   mmm m mmmmmm m
desk-approve                 mmm m mmmmmm m
desk-issue                   mmm m mmmmmm m
desk-correct                 mmm m mmmmmm m
desk-issue-revision          mmm m mmmmmm m
desk-answer-reading          mmm m mmmmmm m
desk-import-readings         mmm m mmmmmm m
desk-create-payouts          mmm m mmmmmm m
desk-send-payouts            mmm m mmmmmm m
desk-resolve-payout          mmm m mmmmmm m
desk-explain-bill            mmm m mmmmmm m
desk-pay-bill                mmm m mmmmmm m
desk-publish-tariff          mmm m mmmmmm m
desk-answer-question         mmm m mmmmmm m
healthz                      ... . ...... .
readyz                       ~~~ ~ ~~~~~~ ~
apps-of-android              ... . ...... .
apps-of-apple                ... . ...... .
api-me                       ... . ...... U
api-homes                    ... . ...... U
api-home                     ... - ...-.. U
api-home-battery             ... - ...-.. U
api-home-internet            ... - ...-.. U
api-home-node                ... - ...-.. U
api-home-energy              ... - ...-.. U
api-home-states              ... - ...-.. U
api-home-outages             ... - ...-.. U
api-home-power-history       ... - ...-.. U
api-home-battery-history     ... - ...-.. U
api-home-internet-history    ... - ...-.. U
api-month-to-date            ..- - ----.. U
api-statements               ..- - ----.. U
api-statement                ..- - ----.. U
api-statement-lines          ..- - ----.. U
api-statement-line           ..- - ----.. U
api-statement-segments       ..- - ----.. U
api-statement-intervals      ..- - ----.. U
api-statement-difference     ..- - ----.. U
api-statement-files          ..- - ----.. U
api-statement-file           ..- - ----.. U
api-statement-questions      ..- - ----.. U
api-agreements               .-- - ----.. U
api-tariffs                  ..- - ----.. U
api-payouts                  .-- - ----.. U
api-ledger                   ..- - ----.. U
api-green-button             ..- - ----.. U
api-desk-months              --- - ----.. U
api-desk-items               --- - ----.. U
api-desk-close               --- - ----mm U
api-desk-approvals           --- - ----mm U
api-desk-issue               --- - ----mm U
api-desk-corrections         --- - ----mm U
api-desk-issue-correction    --- - ----mm U
api-desk-tariffs             --- - ----mm U
api-desk-publish             --- - ----mm U
api-desk-assign              --- - ----mm U
api-desk-agreement           --- - ----mm U
api-desk-bills               --- - ----mm U
api-desk-explain-bill        --- - ----mm U
api-desk-pay-bill            --- - ----mm U
api-desk-payouts             --- - ----mm U
api-desk-send-payouts        --- - ----mm U
api-desk-payout-outcome      --- - ----mm U
api-desk-answer-reading      --- - ----mm U
api-desk-answer-question     --- - ----mm U
api-nodes                    --- - ...... U
api-node                     --- - ...-.. U
api-node-telemetry           --- - ...-.. U
api-node-states              --- - ...-.. U
api-node-inventory           --- - ...-.. U
api-node-other-series        --- - ...-.. U
api-node-other-samples       --- - ...-.. U
api-fleet                    --- - ...... U
api-fleet-aggregate          --- - ...... U
api-dead-letters             --- - ..--.. U
api-statement-heads          ... . ...... .
api-schema                   ... . ...... .
api-docs                     ... . ...... .
api-not-found                --- - ------ -
api-elsewhere                --- - ------ -
"""

_SOCKETS = """
ws-home                      ... - ...-.. U
ws-node                      --- - ...-.. U
ws-fleet                     --- - ..--.. U
"""

SIGN_IN_NAMESPACES: Final = ("account_", "mfa_", "usersessions_", "headless:")
"""allauth's doors: they concern the person who knocks and no home. They are walked too, see test_walk."""

PLACEHOLDERS: Final = {"home_id": "home.pk", "node_id": "node.pk", "hostname": "node.hostname"}
"""What the placeholders of an address stand for, as attributes of the cast."""

OF_THE_STATEMENT: Final = {"number": "{number}", "ordinal": "1", "kind": "pdf", "series_id": "{series_id}"}
"""What further placeholders stand for: a statement of the first home, and a series of its node."""

OF_THE_DESK: Final = {
    "month": "{month}",
    "statement_id": "{statement_id}",
    "version_id": "{version_id}",
} | dict.fromkeys(("quarantine_id", "payout_id", "bill_id", "question_id", "draft_id"), "1")
"""Those of the billing desk; the month is one whose close was begun. What only takes POST needs nothing to be there."""

WRITES: Final = {"api-statement-questions": "post", "api-green-button": "post"}
"""Doors of the API that change something, by which method. Everything else refuses all but reading."""


def _read(table: str) -> dict[str, dict[str, str]]:
    found = {}
    for line in table.strip().splitlines():
        door, *letters = line.split()
        found[door] = dict(zip(NAMES, "".join(letters), strict=True))
    return found


DOORS: Final = _read(_DOORS)
SOCKETS: Final = _read(_SOCKETS)
