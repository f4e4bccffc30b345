"""When a web process stood still, for how long, and what held it: watched in each, told to operators for a day.

A process stands still for everybody while something keeps its event loop, or, as a regular expression or a parser in C
does, the interpreter itself, which all its threads share. A thread of its own looks often at how late the loop is, and
how late it is itself; what held the process is the thread that used the processor meanwhile. Where none did, the
machine had no time for us, which is another matter and nobody's request.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import redis

from telemetry.stream import connect

logger = logging.getLogger("telemetry.standstills")

LOOK_SECONDS: Final = 0.05
HELD_SECONDS: Final = 0.25
"""So long nobody was answered: that is logged, told and counted."""
LATELY_SECONDS: Final = 900.0
KEPT_SECONDS: Final = 86_400
KEPT: Final = 50
_KEY: Final = "xfra:ingest:standstills"
_BUSY: Final = 0.1
"""A thread that held the process used the processor for at least this part of the time, also on a busy machine."""
_CLOCK_TICK: Final = 0.01
"""Of the kernel's accounts of threads, in seconds."""


@dataclass(frozen=True, slots=True)
class Standstill:
    """`where` is the line that held the process, `path` the request that it was done for, where that can be told."""

    at: float
    """When it was over, in Unix seconds."""
    seconds: float
    where: str
    path: str = ""

    @property
    def sentence(self) -> str:
        whom = f" for {self.path}" if self.path else ""
        return f"A web process stood still for {self.seconds:.1f} s{whom}, at {self.where}"


class Watch:
    """Of one event loop and the threads of its process. `tell` is called in the watch's thread."""

    def __init__(self, tell: Callable[[Standstill], None]) -> None:
        self._tell = tell
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._beat = 0.0
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._spent: dict[int, float] = {}
        self._suspect: tuple[str, str, str] | None = None
        """What the loop was seen at while it did not answer: where, for what path, and the stack."""

    def start(self) -> None:
        """In the event loop that is to be watched."""
        self._loop, self._loop_thread, self._beat = asyncio.get_running_loop(), threading.get_ident(), time.monotonic()
        self._loop.call_later(LOOK_SECONDS, self._tick, self._loop)
        self._spent = _spent_by_thread()
        self._thread = threading.Thread(target=self._run, name="standstills", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join(2)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._beat = time.monotonic()
        if not self._ending.is_set():
            loop.call_later(LOOK_SECONDS, self._tick, loop)

    def _run(self) -> None:
        before, held_since = time.monotonic(), 0.0
        while not self._ending.wait(LOOK_SECONDS):
            now = time.monotonic()
            own_lag, loop_lag = now - before - LOOK_SECONDS, now - self._beat - LOOK_SECONDS
            before = now
            if own_lag > HELD_SECONDS:  # the interpreter was held: whoever used the processor has it no longer
                self._suspect = self._suspect or self._holder(own_lag)
                held_since = held_since or now - own_lag
            elif loop_lag > HELD_SECONDS:
                self._suspect = self._suspect or self._holder(loop_lag)
                held_since = held_since or now - loop_lag
            if held_since and loop_lag <= HELD_SECONDS and own_lag <= HELD_SECONDS:
                self._over(max(now - held_since - LOOK_SECONDS, HELD_SECONDS))
                held_since = 0.0
            if not held_since:
                self._spent = _spent_by_thread()

    def _holder(self, seconds: float) -> tuple[str, str, str] | None:
        """Of the thread that used the processor since all was well, if one did."""
        spent = {thread: used - self._spent.get(thread, 0.0) for thread, used in _spent_by_thread().items()}
        native_ids = {thread.ident: thread.native_id for thread in threading.enumerate()}
        frames = {ident: frame for ident, frame in sys._current_frames().items() if ident != threading.get_ident()}
        used = {ident: spent.get(native_ids.get(ident) or 0, 0.0) for ident in frames}
        ident = max(used, key=lambda one: used[one], default=0)
        if used.get(ident, 0.0) + _CLOCK_TICK < _BUSY * seconds:
            if used.get(self._loop_thread, 0.0) > _CLOCK_TICK or not _waits(frames.get(self._loop_thread)):
                ident = self._loop_thread
            else:
                return None
        frame = frames.get(ident)
        return None if frame is None else (_place(frame), _path(frame), "".join(traceback.format_stack(frame, 12)))

    def _over(self, seconds: float) -> None:
        suspect, self._suspect = self._suspect, None
        if suspect is None:
            logger.info("nobody was answered for %.2f s: the machine had no time for this process", seconds)
            return
        where, path, stack = suspect
        found = Standstill(time.time(), round(seconds, 2), where, path)
        logger.warning("%s\n%s", found.sentence, stack)
        self._tell(found)


def _spent_by_thread() -> dict[int, float]:
    """Processor seconds of each thread of this process, by its native id."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            fields = (task / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[int(task.name)] = (int(fields[11]) + int(fields[12])) * _CLOCK_TICK
    return found


def _waits(frame: FrameType | None) -> bool:
    """Whether an event loop's thread waits for something to happen."""
    return frame is None or frame.f_code.co_name in ("select", "_run_once", "run_forever")


def _place(frame: FrameType) -> str:
    """The innermost line of ours, or the innermost at all."""
    innermost, inner = frame, frame
    root = str(Path(__file__).resolve().parent.parent)
    while not inner.f_code.co_filename.startswith(root) or "site-packages" in inner.f_code.co_filename:
        if inner.f_back is None:
            inner = innermost
            break
        inner = inner.f_back
    return f"{Path(inner.f_code.co_filename).name}:{inner.f_lineno} ({inner.f_code.co_name})"


def _path(frame: FrameType | None) -> str:
    """Method and path of the request that a stack is about; of an address no query, which may be a secret."""
    while frame is not None:
        local = frame.f_locals
        scope, request = local.get("scope"), local.get("request")
        if isinstance(scope, dict) and isinstance(scope.get("path"), str):
            return f"{scope.get('method', 'websocket')} {scope['path'][:200]}"
        if isinstance(getattr(request, "path", None), str):
            return f"{getattr(request, 'method', '')} {request.path[:200]}"  # type: ignore[union-attr]
        frame = frame.f_back
    return ""


class Teller:
    """Remembers the standstills of this process, and tells Redis."""

    def __init__(self) -> None:
        self._latest: Standstill | None = None

    def __call__(self, found: Standstill) -> None:
        self._latest = found
        try:
            with connect(patience_seconds=1) as client:
                tell(client, found)
        except (redis.RedisError, OSError) as error:
            logger.warning("a standstill cannot be told: %s", error)

    @property
    def lately(self) -> float:
        """How many seconds the last standstill of this process took, if it is not long ago; else 0."""
        last = self._latest
        return last.seconds if last and time.time() - last.at < LATELY_SECONDS else 0.0


TELLER: Final = Teller()
"""Of this process."""


def tell(client: redis.Redis, found: Standstill) -> None:
    pipe = client.pipeline(transaction=False)
    pipe.lpush(_KEY, json.dumps(asdict(found)))
    pipe.ltrim(_KEY, 0, KEPT - 1)
    pipe.expire(_KEY, KEPT_SECONDS)
    pipe.execute()


def lately(client: redis.Redis) -> list[Standstill]:
    """Those of all web processes within LATELY_SECONDS, the last one first. Raises redis.RedisError."""
    told: Any = client.lrange(_KEY, 0, -1)
    found = [Standstill(**json.loads(one)) for one in told]
    return [one for one in found if time.time() - one.at < LATELY_SECONDS]
