"""From POST to whoever watches: 200 sockets, one of them a real browser's page, and what an idle socket costs."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from bench import browser
from bench.bodies import Progress
from bench.feed import FIRST_MARK, Feed, Posted
from bench.portal import Portal
from bench.processes import resident_bytes
from bench.report import table
from xfra_portal.local.portal import ROOT

SHARES: Final = {"fleet": 0.05, "node": 0.2, "home": 0.75}
"""What the sockets watch: a few operators the whole fleet, some one node, the others are families."""

_IDLE_SECONDS: Final = 5.0
_LAST_WORDS_SECONDS: Final = 8.0


@dataclass(frozen=True)
class PushOptions:
    nodes: int = 1000
    sockets: int = 200
    ticks: int = 24
    connections: int = 16


@dataclass
class Viewer:
    """One socket. `seen` holds, per node number, (mark, seconds since the epoch) whenever the mark changed."""

    kind: str
    path: str
    session: str
    read: Callable[[Any], list[tuple[str, float | None]]] | None
    names: Sequence[str] = ()
    """Of the nodes that it watches, none for all."""
    seen: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    frames: int = 0
    ended: str = ""

    async def watch(self, port: int, is_open: asyncio.Semaphore) -> None:
        headers = {"Cookie": f"sessionid={self.session}"}
        async with connect(
            f"ws://127.0.0.1:{port}{self.path}",
            additional_headers=headers,
            origin=f"http://127.0.0.1:{port}",  # type: ignore[arg-type]
            compression=None,
            max_size=None,
            ping_interval=None,
        ) as socket:
            await self._read_all(socket, is_open)

    async def _read_all(self, socket: ClientConnection, is_open: asyncio.Semaphore) -> None:
        async for frame in socket:
            at = time.time()
            self.frames += 1
            if self.frames == 1:
                is_open.release()
            if self.read is None:
                continue
            for name, watts in self.read(json.loads(frame)):
                if watts is not None:
                    known = self.seen.setdefault(name, [])
                    if not known or known[-1][0] != round(watts):
                        known.append((round(watts), at))
        self.ended = f"{socket.close_code} {socket.close_reason}"


def _of_fleet(frame: Any) -> list[tuple[str, float | None]]:
    return [(cell["hostname"], cell["node_watts"]) for cell in frame.get("cells", ())]


def _reader(hostname: str, *path: str) -> Callable[[Any], list[tuple[str, float | None]]]:
    def read(frame: Any) -> list[tuple[str, float | None]]:
        found = frame
        for key in path:
            found = (found or {}).get(key)
        return [(hostname, found)]

    return read


def viewers(options: PushOptions, people: Mapping[str, Any]) -> list[Viewer]:
    """Only one of those who watch the fleet reads its frames: reading costs the machine that is measured."""
    counts = {kind: round(options.sockets * share) for kind, share in SHARES.items()}
    homes = people["homes"]
    made = [
        Viewer("fleet", "/ws/fleet/", people["staff"], _of_fleet if i == 0 else None) for i in range(counts["fleet"])
    ]
    for i in range(counts["node"]):
        home = homes[i % len(homes)]
        read = _reader(home["hostname"], "values", "home_power_watts", "value")
        made.append(Viewer("node", f"/ws/nodes/{home['node']}/", people["staff"], read, [home["hostname"]]))
    for i in range(counts["home"]):
        home = homes[i % len(homes)]
        read = _reader(home["hostname"], "power", "home_watts", "value")
        made.append(Viewer("home", f"/ws/homes/{home['home']}/", home["session"], read, [home["hostname"]]))
    return made


def measure(folder: Path, options: PushOptions, say: Progress) -> list[str]:
    """The report's section. Pages in the production profile want TLS, so this runs in the local one."""
    portal = Portal(folder, profile="local")
    say(f"push: starting the portal with {options.nodes} nodes")
    try:
        portal.start(options.nodes)
        people = _people(portal, max(1, min(options.nodes, round(options.sockets * SHARES["home"]))))
        page = browser.PageViewer(portal.url, people["homes"][0]["home"], people["homes"][0]["session"])
        has_page = browser.program() is not None
        return asyncio.run(_Run(portal, options, people, page if has_page else None, say).run())
    finally:
        portal.stop()


def _people(portal: Portal, homes: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.viewers", str(homes)],
        cwd=ROOT,
        env={**os.environ, **portal.env},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class _Run:
    def __init__(
        self,
        portal: Portal,
        options: PushOptions,
        people: Mapping[str, Any],
        page: browser.PageViewer | None,
        say: Progress,
    ) -> None:
        self._portal, self._options, self._people, self._page, self._say = portal, options, people, page, say
        self._viewers = viewers(options, people)
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> list[str]:
        feed = Feed(self._portal.port, list(self._portal.tokens.values()), self._options.connections)
        await self._warm_up()
        before = self._web_bytes()
        await self._open(self._viewers)
        await asyncio.sleep(_IDLE_SECONDS)
        per_socket = (self._web_bytes() - before) / len(self._viewers)
        self._say(f"push: {len(self._viewers)} idle sockets, {per_socket / 1024:.0f} KiB each")
        if self._page is not None:
            self._page.start()
            await asyncio.to_thread(self._page.ready.wait, 60)
        self._say(f"push: {self._options.nodes} nodes introduce themselves")
        first = await feed.introduce()
        await asyncio.sleep(_LAST_WORDS_SECONDS)
        before_cpu, began = self._portal.cpu(), time.monotonic()
        self._say(f"push: {self._options.nodes} nodes post every 5 s, {self._options.ticks} times")
        posted = await feed.run(self._options.ticks)
        seconds = time.monotonic() - began
        await asyncio.sleep(_LAST_WORDS_SECONDS)
        used = {name: (cpu - before_cpu.get(name, 0)) / seconds for name, cpu in self._portal.cpu().items()}
        await self._close()
        return self._section(first, posted, per_socket, used)

    async def _warm_up(self) -> None:
        """One of each kind comes and goes: what only the first one costs is no socket's."""
        kinds = {viewer.kind: viewer for viewer in viewers(self._options, self._people)}
        await self._open(list(kinds.values()))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await asyncio.sleep(1)

    async def _open(self, some: Sequence[Viewer]) -> None:
        is_open = asyncio.Semaphore(0)
        for viewer in some:
            self._tasks.append(asyncio.create_task(viewer.watch(self._portal.port, is_open)))
            await asyncio.sleep(0.01)
        async with asyncio.timeout(60):
            for _ in some:
                await is_open.acquire()

    async def _close(self) -> None:
        if self._page is not None:
            self._page.end.set()
            await asyncio.to_thread(self._page.join, 30)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _web_bytes(self) -> int:
        return resident_bytes(self._portal.families()["web"])

    def _section(self, first: Posted, posted: Posted, per_socket: float, used: Mapping[str, float]) -> list[str]:
        rows, numbers = [], {name: i for i, name in enumerate(self._portal.tokens)}
        for kind in SHARES:
            mine = sum(viewer.kind == kind and viewer.read is not None for viewer in self._viewers)
            rows.append(_row(f"{mine} sockets, {kind}", self._delays(kind, posted, FIRST_MARK)))
        rows.append(self._page_row(posted, numbers))
        introduced = self._delays("fleet", first, FIRST_MARK - 1)
        rows.append(_row("1 socket, fleet: the first scrape of each node", introduced))
        ended = [viewer.ended for viewer in self._viewers if viewer.ended]
        cores = ", ".join(f"{name} {share:.2f}" for name, share in sorted(used.items(), key=lambda item: -item[1]))
        return [
            "## Push",
            "",
            f"{self._options.nodes} nodes post 322 samples every 5 s, {self._options.ticks} times; {len(self._viewers)}"
            " sockets watch. Seconds from before the POST until the frame with its value, or a newer one, was there.",
            "",
            *table(["viewer", "values", "never shown", "p50 s", "p99 s", "worst s"], rows),
            "",
            f"- an idle socket: {per_socket / 1024:.0f} KiB of the web process's resident memory",
            f"- POST: p50 {_quantile(posted.seconds, 0.5) * 1000:.0f} ms, p99"
            f" {_quantile(posted.seconds, 0.99) * 1000:.0f} ms, told to wait {posted.put_off} times; the feed was"
            f" at most {posted.late_seconds:.2f} s late",
            "- first scrapes, of nodes that nobody knew, came before the others and are in their row only: the feed was"
            f" then at most {first.late_seconds:.2f} s late, POST p99 {_quantile(first.seconds, 0.99) * 1000:.0f} ms,"
            f" told to wait {first.put_off} times",
            f"- cores in use meanwhile: {cores}",
            *([f"- **{len(ended)} sockets were closed: {sorted(set(ended))}**"] if ended else []),
        ]

    def _delays(self, kind: str, posted: Posted, first_mark: int) -> list[float]:
        """Of all sockets of a kind that read; a node that one of them never heard of was never shown there."""
        numbers = {name: i for i, name in enumerate(self._portal.tokens)}
        return [
            delay
            for viewer in self._viewers
            if viewer.kind == kind and viewer.read
            for name in viewer.names or numbers
            for delay in shown_after(posted.at[numbers[name]], viewer.seen.get(name, []), first_mark)
        ]

    def _page_row(self, posted: Posted, numbers: Mapping[str, int]) -> list[str]:
        if self._page is None:
            return ["Chromium (not installed)", *["-"] * 5]
        if self._page.failure is not None:
            return [f"Chromium ({str(self._page.failure).splitlines()[0]})", *["-"] * 5]
        seen = [one for one in self._page.seen if one[0] >= FIRST_MARK]
        return _row("1 page in Chromium", shown_after(posted.at[numbers[self._people["homes"][0]["hostname"]]], seen))


def shown_after(
    posted: Sequence[float], seen: Sequence[tuple[int, float]], first_mark: int = FIRST_MARK
) -> list[float]:
    """For each scrape the seconds until its mark, or a later one, was seen; infinite if never."""
    marks = [mark for mark, _ in seen]
    found = []
    for tick, at in enumerate(posted):
        i = bisect_left(marks, first_mark + tick)
        found.append(seen[i][1] - at if i < len(seen) else float("inf"))
    return found


def _row(name: str, delays: Sequence[float]) -> list[str]:
    shown = [delay for delay in delays if delay != float("inf")]
    figures = [f"{_quantile(shown, share):.2f}" for share in (0.5, 0.99, 1.0)]
    return [name, f"{len(delays):,}", f"{len(delays) - len(shown):,}", *figures]


def _quantile(values: Sequence[float], share: float) -> float:
    return float(np.quantile(values, share)) if len(values) else float("nan")
