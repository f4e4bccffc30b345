"""A real web process answers while nodes post what is dear to read, and each sender is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from bench.processes import family_of, resident_bytes
from bench.standing import Standing, every_bomb, throw
from tests.figures import Figures
from tests.integration.bench import Bench

pytestmark = pytest.mark.stack

LOOSE_MS = 2000.0
"""250 ms on a machine of its own, which `make bench ARGS="--parts bombs"` asks for; tests share theirs."""
GROWTH_BYTES = 1 << 30
"""Of the web process with its two children: each may take 768 MiB for a while, and ends when it has."""


@pytest.fixture(scope="module")
def attacked() -> Iterator[Bench]:
    made = Bench(nodes=len(every_bomb()))
    yield made
    made.close()


@pytest.mark.parametrize("at_once", [False, True], ids=["in a row", "at once"])
def test_nobody_waits_for_a_bomb(attacked: Bench, at_once: bool, figures: Figures) -> None:
    web = attacked.stack.pids["web"]
    before, tokens = resident_bytes(family_of(web)), list(attacked.tokens.values())

    async def story() -> Standing:
        return await throw(
            attacked.stack.url, tokens, every_bomb(), lambda: resident_bytes(family_of(web)), at_once=at_once
        )

    found = asyncio.run(story())
    name = "at once" if at_once else "in a row"
    figures.note(f"bombs {name}", f"/healthz {found.slowest_ms:.0f} ms at the slowest of {len(found.health_ms)}")
    assert found.slowest_ms < LOOSE_MS
    assert found.untold == []
    assert len(found.told) == len(every_bomb())
    assert found.resident_bytes - before < GROWTH_BYTES
    assert attacked.stack.pids["web"] == web, "the same process"
