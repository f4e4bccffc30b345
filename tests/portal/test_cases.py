"""Which sentence is true: of fresh readings what they say, of old ones nothing, and danger until it is over."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry.node_state import Cause, State
from telemetry.payloads import home_payload
from telemetry.readings import NodeLatest, NodeStatus
from tests.portal.cases import CASES_BY_FACTS, NOW, home
from xfra_portal.homeowner.cases import CASES, cases_of


@pytest.mark.parametrize(("facts", "expected"), CASES_BY_FACTS)
def test_case(facts: dict[str, Any], expected: dict[str, str]) -> None:
    found = cases_of(home(**facts), NOW)
    assert {name: found[name] for name in expected} == expected


def test_every_case_is_met_and_no_other() -> None:
    never = home_payload(
        "home", NodeLatest(1, NodeStatus(State.UNKNOWN, Cause.NEVER_HEARD, None, None), None, {}, (), {}), None
    )
    met = [cases_of(home(**facts), NOW) for facts, _ in CASES_BY_FACTS] + [cases_of(never, NOW)]
    assert {name: {one[name] for one in met} for name in CASES} == {name: set(cases) for name, cases in CASES.items()}
