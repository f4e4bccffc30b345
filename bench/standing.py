"""How long `/healthz` takes while nodes post what is dear to read: eight kinds in a row, and all at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from bench.bodies import Progress
from bench.bombs import KINDS, Bomb, made
from bench.portal import Portal
from bench.processes import resident_bytes
from bench.report import table
from bench.systems import BenchFailed

LIMIT_MS: Final = 250.0
_PAUSE_SECONDS: Final = 0.02
_ANSWER_SECONDS: Final = 120.0
_TOLD: Final = frozenset({200, 204, 400, 413, 503})
_ROUNDS: Final = 3


@dataclass(slots=True)
class Standing:
    """What was seen while bodies were thrown: milliseconds of each `/healthz`, what each sender was told, and the bytes
    of memory that the web process and its children had at the most."""

    health_ms: list[float] = field(default_factory=list)
    told: dict[str, list[int]] = field(default_factory=dict)
    resident_bytes: int = 0

    @property
    def slowest_ms(self) -> float:
        return max(self.health_ms, default=float("inf"))

    @property
    def untold(self) -> list[str]:
        """Whose senders were not told what became of their body."""
        return [name for name, statuses in self.told.items() if not _TOLD.issuperset(statuses)]


async def throw(
    url: str, tokens: Sequence[str], bombs: Sequence[tuple[str, Bomb]], resident: Callable[[], int], *, at_once: bool
) -> Standing:
    """Bombs from as many nodes as there are, while `/healthz` is asked for all the time."""
    found = Standing()
    async with httpx.AsyncClient(base_url=url, timeout=_ANSWER_SECONDS) as client:
        asking = asyncio.create_task(_ask(client, found, resident))
        posts = [
            _post(client, tokens[number % len(tokens)], name, bomb, found) for number, (name, bomb) in enumerate(bombs)
        ]
        if at_once:
            await asyncio.gather(*posts)
        else:
            for post in posts:
                await post
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
    return found


async def _post(client: httpx.AsyncClient, token: str, name: str, bomb: Bomb, found: Standing) -> None:
    headers = {**bomb.headers, "authorization": f"Bearer {token}"}
    answer = await client.post(bomb.path, content=bomb.body, headers=headers)
    found.told.setdefault(name, []).append(answer.status_code)


async def _ask(client: httpx.AsyncClient, found: Standing, resident: Callable[[], int]) -> None:
    while True:
        begun = time.perf_counter()
        (await client.get("/healthz")).raise_for_status()
        found.health_ms.append((time.perf_counter() - begun) * 1000)
        found.resident_bytes = max(found.resident_bytes, resident())
        await asyncio.sleep(_PAUSE_SECONDS)


def every_bomb() -> list[tuple[str, Bomb]]:
    return [(make.__name__, made(make)) for makes in KINDS.values() for make in makes]


def measure(folder: Path, say: Progress) -> list[str]:
    """A section of the report. Raises BenchFailed when a sender is not told, or `/healthz` is slower than LIMIT_MS."""
    say("bombs: making them")
    bombs, system = every_bomb(), Portal(folder / "bombs")
    system.folder.mkdir()
    try:
        tokens = system.start(len(bombs)).tokens
        resident = lambda: resident_bytes(system.families()["web"])  # noqa: E731
        seen = {"nothing": asyncio.run(_quietly(system.url, resident))}
        for at_once, name in ((False, "in a row"), (True, "at once")):
            say(f"bombs: {len(bombs)} of {len(KINDS)} kinds {name}, {_ROUNDS} times")
            seen[name] = asyncio.run(throw(system.url, tokens, bombs * _ROUNDS, resident, at_once=at_once))
    finally:
        system.stop()
    late = [name for name, one in seen.items() if one.slowest_ms > LIMIT_MS]
    untold = [name for one in seen.values() for name in one.untold]
    rows = [
        [name, f"{len(one.health_ms):,}", f"{_median(one.health_ms):.0f}", f"{one.slowest_ms:.0f}",
         f"{one.resident_bytes / 2**20:.0f}"]
        for name, one in seen.items()
    ]  # fmt: skip
    section = [
        "## Bodies that are dear to read",
        "",
        f"{len(bombs)} bodies of {len(KINDS)} kinds, {_ROUNDS} times each, from as many nodes; `/healthz` meanwhile.",
        "",
        *table(["thrown", "asked", "median ms", "slowest ms", "MiB of web and its children"], rows),
        "",
    ]
    say("\n".join(section))
    if late or untold:
        raise BenchFailed(f"/healthz took more than {LIMIT_MS:.0f} ms ({', '.join(late)}); not told: {untold}")
    return section


async def _quietly(url: str, resident: Callable[[], int]) -> Standing:
    """With nothing thrown, to compare."""
    found = Standing()
    async with httpx.AsyncClient(base_url=url, timeout=_ANSWER_SECONDS) as client:
        with suppress(TimeoutError):
            async with asyncio.timeout(3):
                await _ask(client, found, resident)
    return found


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2] if values else float("inf")
