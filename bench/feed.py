"""A fleet that scrapes in real time: every node posts each five seconds, marked so that viewers can tell which."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import cramjam
import numpy as np

from bench.bodies import Template, series
from bench.scrapes import INTERVAL_MS, hostname

FIRST_MARK = 101
"""In watts, one more with each scrape; pages show up to 999 watts as they are. One less introduces a node."""


@dataclass
class Posted:
    """`at[node][tick]`: seconds since the epoch when a body was about to be sent."""

    at: dict[int, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    put_off: int = 0
    late_seconds: float = 0.0


class Feed:
    """The power of home and node is the scrape's mark; 320 samples of dcgm-exporter come before it in each body."""

    def __init__(self, port: int, tokens: Sequence[str], connections: int) -> None:
        self._port = port
        self._tokens = tokens
        self._connections = connections
        self._templates = [Template(node, ticks=1) for node in range(len(tokens))]

    async def introduce(self) -> Posted:
        """The first scrape of every node: series, GPUs and tokens that the portal has never seen."""
        return await self._run(1, FIRST_MARK - 1)

    async def run(self, ticks: int) -> Posted:
        return await self._run(ticks, FIRST_MARK)

    async def _run(self, ticks: int, first_mark: int) -> Posted:
        posted = Posted({node: [] for node in range(len(self._tokens))})
        start = time.time() + 0.5
        count = min(self._connections, len(self._tokens))
        lines = (range(i, len(self._tokens), count) for i in range(count))
        await asyncio.gather(
            *(self._line(nodes, range(first_mark, first_mark + ticks), start, posted) for nodes in lines)
        )
        return posted

    async def _line(self, nodes: Sequence[int], marks: range, start: float, posted: Posted) -> None:
        """One connection's nodes, evenly over the five seconds."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        interval = INTERVAL_MS / 1000
        for tick, mark in enumerate(marks):
            for node in nodes:
                due = start + interval * (tick + node / len(self._tokens))
                await asyncio.sleep(max(0.0, due - time.time()))
                posted.late_seconds = max(posted.late_seconds, time.time() - due)
                await self._post(reader, writer, node, mark, posted)
        writer.close()

    async def _post(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, node: int, mark: int, posted: Posted
    ) -> None:
        body = self._body(node, mark)
        head = (
            f"POST /api/v1/write HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Type: application/x-protobuf\r\n"
            f"Content-Encoding: snappy\r\nAuthorization: Bearer {self._tokens[node]}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        began = time.time()
        posted.at[node].append(began)
        while True:
            writer.write(head.encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            if " 204 " in answer[:16]:
                break
            found = dict(line.split(": ", 1) for line in answer.split("\r\n")[1:] if ": " in line)
            said = await reader.readexactly(int(found.get("content-length", 0)))
            if " 503 " not in answer[:16]:
                raise ConnectionError(f"the portal said {answer[9:12]}: {said[:200].decode(errors='replace')}")
            posted.put_off += 1
            await asyncio.sleep(float(found.get("retry-after", 1)))
        posted.seconds.append(time.time() - began)

    def _body(self, node: int, mark: int) -> bytes:
        at_ms = int(time.time() * 1000)
        message = self._templates[node].at(np.array([at_ms], np.int64), 0)
        instance = {"instance": f"{hostname(node)}:9100", "job": "panel"}
        for channel in ("home", "node"):
            names = {"__name__": "xfra_panel_power_watts", "channel": channel, **instance}
            message += series(names, float(mark), at_ms)
        return bytes(cramjam.snappy.compress_raw(message))
