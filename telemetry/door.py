"""The door: POST /api/v1/write, an ASGI application of its own so that a body costs no middleware.

Who are you, does it fit, is it well formed; then the batch is handed to the stream and only then
acknowledged. Statuses follow the Prometheus remote-write specification: 204 stored safely, 4xx never
send this again, 503 send it again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic
from typing import Any, Final

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from telemetry import batch as batches
from telemetry import remote_write as wire
from telemetry.admission import Admitted, admit, admit_expected
from telemetry.appending import Appender
from telemetry.batch import Batch
from telemetry.callers import Callers, CallersUnavailable, CallerUnknown
from telemetry.compression import ZSTD_MAGIC, Encoding, open_body
from telemetry.deadlines import Deadlines
from telemetry.decoding import Decoded, Form
from telemetry.expected_bytes import Slate
from telemetry.heavy_bodies import Busy, Reader
from telemetry.known_series import KnownSeries
from telemetry.pace import Pace
from telemetry.refusals import Reason, Teller, reason_of
from telemetry.stream import StreamFull, shard_of
from telemetry.tasks import drain

logger = logging.getLogger("telemetry.door")

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

Headers = dict[bytes, bytes]

V1: Final = b"prometheus.WriteRequest"
V2: Final = b"io.prometheus.write.v2.Request"
_PROTOCOLS: Final = {name.lower(): name for name in (V1, V2)}
_PARAMETER: Final = re.compile(rb';[ \t]*([^=; \t]+)=("[^"]*"|[^;]*)')
"""Of a media type, as RFC 9110 has them."""
_HANDSHAKE: Final = b"get_vm_proto_version="
"""What older vmagents ask before they send zstd; newer ones send it at once, and snappy after a 400 or 415."""
BODY_SECONDS: Final = 20.0
_LONGEST_WAIT: Final = 60
_PLAIN: Final = b"text/plain; charset=utf-8"


@dataclass(slots=True)
class Written:
    """What was taken of a body. Remote-write 2.0 is told in every answer, 1.0 in none."""

    is_told: bool
    samples: int = 0

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        if not self.is_told:
            return []
        counts = {b"samples": self.samples, b"histograms": 0, b"exemplars": 0}  # the latter two are never kept
        return [(b"x-prometheus-remote-write-%s-written" % what, b"%d" % n) for what, n in counts.items()]


class Refusal(Exception):
    """An answer other than 204. Where `counts_as` says so, operators are shown it beside the node."""

    def __init__(
        self,
        status: int,
        reason: str,
        headers: list[tuple[bytes, bytes]] | None = None,
        counts_as: Reason | None = None,
    ) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers, self.counts_as = status, reason, headers or [], counts_as


def try_later(reason: str, seconds: float = 0.0, counts_as: Reason | None = None) -> Refusal:
    """503 with jitter, so that a fleet that was turned away does not come back as one.

    Also where one node has to wait: stock Prometheus throws away what is answered 429.
    """
    after = str(min(int(seconds), _LONGEST_WAIT) + random.randint(1, 5)).encode()  # noqa: S311
    return Refusal(503, reason, [(b"retry-after", after)], counts_as)


class RemoteWriteDoor:
    """The ASGI application. One per process."""

    def __init__(self) -> None:
        self._callers = Callers()
        self._series: dict[int, KnownSeries] = {}
        self._slate = Slate()
        self._pace = Pace()
        self.reader = Reader(self._pace)
        self._appender: Appender | None = None
        self._redis: redis.asyncio.Redis | None = None
        self._refusals = Teller(self._ingest_redis)
        self._waking: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        written = Written(_protocol(headers.get(b"content-type", b"")) == V2)
        try:
            complaint = await self._accept(scope, headers, receive, written)
            await answer(send, 400 if complaint else 204, complaint, written.headers)
        except Refusal as refusal:
            told = written.headers if refusal.status != 415 else []  # no format was agreed on
            await answer(send, refusal.status, refusal.reason, [*refusal.headers, *told])

    async def _accept(self, scope: Scope, headers: Headers, receive: Receive, written: Written) -> str:
        """Returns the complaint of a partial write, or nothing."""
        if scope["method"] != "POST":
            raise Refusal(405, "use POST", [(b"allow", b"POST")])
        node_id = await self.authenticate(scope, headers)
        if _HANDSHAKE in scope.get("query_string", b""):
            raise Refusal(200, "1")
        with self.counting(node_id):
            encoding = _check_format(headers)
            body = await self.take_in(node_id, headers, receive)
            if body.startswith(ZSTD_MAGIC):  # vmagent may send again under another name what it compressed before
                encoding = Encoding.ZSTD
            with self.reading():
                admitted = await self._admit(node_id, encoding, body, written.is_told)
            await self.hand_over(admitted, len(body))
        written.samples = admitted.taken
        if admitted.refused:
            logger.info("node %s: %s", node_id, admitted.complaint)
            return admitted.complaint
        return ""

    @contextmanager
    def counting(self, node_id: int) -> Iterator[None]:
        """A refusal within is this node's."""
        try:
            yield
        except Refusal as refusal:
            if refusal.counts_as:
                self._refusals.note(node_id, refusal.counts_as)
            raise

    async def authenticate(self, scope: Scope, headers: Headers) -> int:
        """The id of the node that calls."""
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refusal(401, "send the node's token as a bearer token", [(b"www-authenticate", b"Bearer")])
        try:
            return await self._callers.identify(token.strip(), (scope.get("client") or ("",))[0])
        except CallerUnknown as error:
            if error.node_id is not None:
                logger.info("node %s: a revoked token", error.node_id)
                self._refusals.note(error.node_id, Reason.TOKEN)
            raise Refusal(401, str(error), [(b"www-authenticate", b"Bearer")]) from None
        except CallersUnavailable as error:
            raise try_later(str(error)) from None

    async def take_in(self, node_id: int, headers: Headers, receive: Receive) -> bytes:
        """The body, unless the node has to wait: then none of it is looked at. Raises Refusal."""
        seconds = self._pace.wait_seconds(node_id, monotonic())
        if seconds:
            raise try_later("this node sends faster than a node may", seconds, Reason.RATE)
        body = await read_body(headers, receive)
        self._pace.charge_bytes(node_id, monotonic(), len(body))
        return body

    def known(self, node_id: int) -> KnownSeries:
        found = self._series.get(node_id)
        if found is None:
            found = self._series[node_id] = KnownSeries()
        return found

    @contextmanager
    def reading(self) -> Iterator[None]:
        """What is wrong with a body becomes a refusal."""
        try:
            yield
        except wire.TooLarge as error:
            raise Refusal(413, str(error), counts_as=Reason.TOO_LARGE) from None
        except wire.BadBody as error:
            raise Refusal(400, str(error), counts_as=Reason.MALFORMED) from None
        except Busy as error:
            raise try_later(str(error)) from None

    async def _admit(self, node_id: int, encoding: Encoding, body: bytes, is_v2: bool) -> Admitted:
        if not is_v2:
            admitted = self._compare(node_id, encoding, body)
            if admitted is not None:
                return admitted
        form = Form.REMOTE_WRITE_2 if is_v2 else Form.REMOTE_WRITE_1
        decoded = await self.reader.read(node_id, form, encoding, body)
        return self.admit(node_id, decoded, all_or_told=is_v2)

    def _compare(self, node_id: int, encoding: Encoding, body: bytes) -> Admitted | None:
        """The usual way: by comparison with what is expected. None for a body in another form."""
        slate, known, now, oldest_ms = self._slate, self.known(node_id), time.time(), oldest_accepted_ms()
        if not slate.fill(encoding, body):
            return None
        size, learned = slate.size, known.learned
        admitted = admit_expected(node_id, slate, None, known, now, oldest_ms)
        if admitted is None:
            message = open_body(encoding, body, size)
            admitted = admit_expected(node_id, slate, message, known, now, oldest_ms)
        self._charge_learning(node_id, known, learned)
        if admitted is not None:
            self._pace.charge_work(node_id, monotonic(), size, 0)
        return admitted

    def admit(self, node_id: int, decoded: Decoded, *, all_or_told: bool = False) -> Admitted:
        """What is believed of a body that was read."""
        known = self.known(node_id)
        learned = known.learned
        found = decoded.found
        if found is None:
            raise RuntimeError("a body that was not read")
        admitted = admit(node_id, found, known, time.time(), oldest_accepted_ms(), all_or_told=all_or_told)
        self._charge_learning(node_id, known, learned)
        return admitted

    def _charge_learning(self, node_id: int, known: KnownSeries, learned: int) -> None:
        """Where something is new, what all series mean is written anew."""
        if known.learned != learned:
            self._pace.charge_work(node_id, monotonic(), known.label_bytes, 0)

    async def hand_over(self, admitted: Admitted, received_bytes: int) -> None:
        """When this returns, the batch is safe, and what is not in it is counted. Raises Refusal."""
        if len(admitted.batch):
            await self._append(admitted.batch, received_bytes)
        node_id = admitted.batch.node_id
        for complaint, samples in admitted.refused.items():
            self._refusals.note(node_id, reason_of(complaint), samples)
        if admitted.not_kept:
            self._refusals.note(node_id, Reason.NOT_KEPT, admitted.not_kept)

    async def _append(self, batch: Batch, received_bytes: int) -> None:
        shard, body = shard_of(batch.node_id), batches.encode(batch)
        # What labels mean travels with each batch: a few bytes of a node with long labels can become many.
        now, more_bytes = monotonic(), max(0, len(body) - received_bytes)
        self._pace.charge_samples(batch.node_id, now, len(batch))
        self._pace.charge_bytes(batch.node_id, now, more_bytes)
        if self._appender is None:
            self._appender = Appender(self._ingest_redis())
        try:
            wake = await self._appender.append(shard, body)
        except StreamFull as error:
            raise try_later(str(error)) from None
        except (redis.RedisError, OSError) as error:
            logger.warning("ingest stream is away: %s", error)
            raise try_later("the ingest stream is away") from None
        if wake:
            self._keep(asyncio.create_task(asyncio.to_thread(_wake, shard)))

    def _ingest_redis(self) -> redis.asyncio.Redis:
        if self._redis is None:
            self._redis = _connect()
        return self._redis

    def _keep(self, task: asyncio.Task[None]) -> None:
        """The sender need not wait for it, but the loop forgets tasks that nobody holds."""
        self._waking.add(task)
        task.add_done_callback(self._waking.discard)


def oldest_accepted_ms() -> int:
    """The oldest instant of which samples are still kept, in milliseconds."""
    return int((time.time() - settings.RAW_RETENTION_HOURS * 3600) * 1000)


def _connect() -> redis.asyncio.Redis:
    """One retry, for a connection that went stale: a sender is told soon that it must come again."""
    return redis.asyncio.Redis.from_url(
        settings.INGEST_REDIS_URL,
        socket_timeout=4,
        socket_connect_timeout=2,
        health_check_interval=30,
        retry=Retry(NoBackoff(), 1),
    )


def _wake(shard: int) -> None:
    # The batch is safe already. If the broker is away, beat finds the backlog within seconds.
    try:
        drain.apply_async(args=[shard], expires=10, retry=False)
    except Exception as error:  # kombu wraps what the transport raises in several families
        logger.warning("could not wake shard %s: %s", shard, error)


@lru_cache(maxsize=64)
def _protocol(content_type: bytes) -> bytes | None:
    """V1, V2 or None for anything else. Parameters other than `proto` say nothing about the message."""
    media_type, parameters = content_type.partition(b";")[0], _PARAMETER.findall(content_type)
    protos = [value.strip(b'" \t').lower() for name, value in parameters if name.lower() == b"proto"]
    if media_type.strip().lower() != b"application/x-protobuf" or len(protos) > 1:
        return None
    return _PROTOCOLS.get(protos[0]) if protos else V1


def _check_format(headers: Headers) -> Encoding:
    protocol = _protocol(headers.get(b"content-type", b""))
    if protocol is None:
        raise Refusal(
            415,
            "send application/x-protobuf of prometheus.WriteRequest (1.0) or io.prometheus.write.v2.Request (2.0)",
            counts_as=Reason.FORMAT,
        )
    encoding = headers.get(b"content-encoding", b"snappy").lower()
    if encoding == b"zstd" and protocol == V1:
        return Encoding.ZSTD
    if encoding != b"snappy":
        words = "send content-encoding: snappy (block format), or zstd with remote-write 1.0"
        raise Refusal(415, words, counts_as=Reason.FORMAT)
    return Encoding.SNAPPY


_deadlines = Deadlines()


async def read_body(headers: Headers, receive: Receive) -> bytes:
    declared = headers.get(b"content-length", b"0")
    if not declared.isdigit() or int(declared) > wire.MAX_COMPRESSED_BYTES:
        raise _too_large()
    try:
        return await _deadlines.keep(BODY_SECONDS, _collect(receive))
    except TimeoutError:
        # Not 408: Prometheus throws away what was answered 4xx, and a slow uplink is no reason for that.
        raise try_later("the body took too long") from None


async def _collect(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "the connection ended within the body")
        chunk: bytes = message.get("body", b"")
        if not body and not message.get("more_body") and len(chunk) <= wire.MAX_COMPRESSED_BYTES:
            return chunk
        body += chunk
        if len(body) > wire.MAX_COMPRESSED_BYTES:
            raise _too_large()
        if not message.get("more_body"):
            return bytes(body)


def _too_large() -> Refusal:
    return Refusal(413, f"a body may have {wire.MAX_COMPRESSED_BYTES} bytes", counts_as=Reason.TOO_LARGE)


async def answer(send: Send, status: int, content: str | bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Text is sent as plain text; of bytes, the headers say what they are."""
    body = content.encode() if isinstance(content, str) else content
    if content and isinstance(content, str):
        headers = [*headers, (b"content-type", _PLAIN)]
    if status != 204:
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
