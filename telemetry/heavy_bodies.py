"""Bodies are read here while they are small, and in processes of their own beyond that.

A thread would not do: what Python walks holds the interpreter, and with it every page, socket and door.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from time import monotonic
from typing import Final

from homes.apart import Crew, Limits, TooHeavy
from telemetry import otlp_weight
from telemetry.compression import Encoding, open_body
from telemetry.decoding import Decoded, Form, decode, decode_apart
from telemetry.pace import Pace
from telemetry.remote_write import MAX_ELEMENTS_PER_BODY, BadBody, TooLarge

logger = logging.getLogger("telemetry.door")

SMALL_BYTES: Final = 32 << 10
"""A message of remote-write up to this size is walked here, which takes some tens of milliseconds at the worst."""
SMALL_OTLP_BYTES: Final = 32 << 10
SMALL_OTLP_ELEMENTS: Final = 2048
CHILDREN: Final = 2
LIMITS: Final = Limits(seconds=15.0, memory_bytes=768 << 20)
MAX_WAITING: Final = 64
"""So many heavy bodies, of 4 MiB at most, wait for a child. Each node has one at a time."""


class Busy(Exception):
    """Too many heavy bodies wait already, or one took too long: come again."""


class Reader:
    """Reads bodies for one process and event loop, and charges each node for what its bodies take."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._crew = Crew(CHILDREN)
        self._turns: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting = 0

    async def read(self, node_id: int, form: Form, encoding: Encoding, body: bytes) -> Decoded:
        """What became of a body. Raises BadBody, TooLarge or Busy."""
        if _is_small(form, encoding, body) and not self._pace.is_ahead(node_id, monotonic()):
            found = decode(form, encoding, body)
        else:
            found = await self._read_apart(node_id, form, encoding, body)
        self._pace.charge_work(node_id, monotonic(), found.message_bytes, found.elements)
        if found.error is not None:
            raise found.error
        return found

    async def _read_apart(self, node_id: int, form: Form, encoding: Encoding, body: bytes) -> Decoded:
        if self._waiting >= MAX_WAITING:
            raise Busy("many large bodies are being read")
        self._waiting += 1
        try:
            async with self._turns[node_id]:
                return await self._crew.arun(LIMITS, decode_apart, form, encoding, body)
        except TooHeavy as error:
            logger.warning("node %s: a body of %s bytes (%s) could not be read: %s", node_id, len(body), form, error)
            self._pace.charge_work(node_id, monotonic(), form.most_bytes, MAX_ELEMENTS_PER_BODY)
            if error.limit == "time":
                raise Busy("the body took too long to read") from None
            raise TooLarge("the body takes too much memory to read: send less at a time") from None
        finally:
            self._waiting -= 1


def _is_small(form: Form, encoding: Encoding, body: bytes) -> bool:
    """Whether a body costs so little that it is read at once, as does one that is refused at once."""
    is_otlp, most_bytes = form in (Form.OTLP_PROTOBUF, Form.OTLP_JSON), SMALL_BYTES
    if is_otlp:
        most_bytes = SMALL_OTLP_BYTES
    if len(body) > most_bytes:
        return False
    try:
        message = open_body(encoding, body, most_bytes)
    except TooLarge:
        return False
    except BadBody:
        return True
    return not is_otlp or otlp_weight.guess(message, form is Form.OTLP_JSON) <= SMALL_OTLP_ELEMENTS
