"""OTLP/HTTP metrics: POST /v1/metrics (and where Prometheus has it), protobuf or JSON, for any OpenTelemetry exporter.

The same caller, caps and stream as the remote-write door. Source: OpenTelemetry Protocol specification,
OTLP/HTTP: partial success is 200 with the number of rejected data points; 429, 502, 503 and 504 are retried.
"""

from __future__ import annotations

import time
import zlib
from collections import Counter
from typing import Any, Final

import orjson
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from telemetry import otlp
from telemetry.admission import admit
from telemetry.door import (
    Headers,
    Receive,
    Refusal,
    RemoteWriteDoor,
    Scope,
    Send,
    answer,
    oldest_accepted_ms,
)
from telemetry.refusals import Reason
from telemetry.remote_write import BadBody, TooLarge
from telemetry.remote_write_v2 import spell

PATHS: Final = frozenset({"/v1/metrics", "/api/v1/otlp/v1/metrics"})
MAX_DECOMPRESSED_BYTES: Final = 16 << 20
"""Protobuf and JSON objects take many times the room of their bytes, unlike the arrays of the other door."""

PROTOBUF: Final = b"application/x-protobuf"
JSON: Final = b"application/json"
_CODES: Final = {400: 3, 401: 16, 404: 5, 405: 12, 413: 8, 415: 3, 503: 14}
"""google.rpc.Code by HTTP status."""


class OtlpDoor:
    """The ASGI application, beside the remote-write door whose callers and stream it shares."""

    def __init__(self, door: RemoteWriteDoor) -> None:
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        is_json = _media_type(headers) == JSON
        media = [(b"content-type", JSON if is_json else PROTOBUF)]
        try:
            rejected = await self._accept(scope, headers, receive)
            await answer(send, 200, _response(rejected, is_json), media)
        except Refusal as refusal:
            await answer(send, refusal.status, _status(refusal, is_json), [*refusal.headers, *media])

    async def _accept(self, scope: Scope, headers: Headers, receive: Receive) -> Counter[str]:
        """Returns what was rejected, by reason."""
        if scope["method"] != "POST":
            raise Refusal(405, "use POST", [(b"allow", b"POST")])
        node_id = await self._door.authenticate(scope, headers)
        with self._door.counting(node_id):
            return await self._take(node_id, headers, receive)

    async def _take(self, node_id: int, headers: Headers, receive: Receive) -> Counter[str]:
        if _media_type(headers) not in (PROTOBUF, JSON):
            raise Refusal(
                415,
                "send application/x-protobuf or application/json of ExportMetricsServiceRequest",
                counts_as=Reason.FORMAT,
            )
        received = await self._door.take_in(node_id, headers, receive)
        body = _decompress(headers.get(b"content-encoding", b"identity").lower(), received)
        try:
            found = otlp.translate(otlp.parse(body, _media_type(headers) == JSON))
        except TooLarge as error:
            raise Refusal(413, str(error), counts_as=Reason.TOO_LARGE) from None
        except BadBody as error:
            raise Refusal(400, str(error), counts_as=Reason.MALFORMED) from None
        admitted = admit(node_id, found.series, self._door.known(node_id), time.time(), oldest_accepted_ms())
        admitted.not_kept = found.rejected.total()
        await self._door.hand_over(admitted, len(received))
        return found.rejected + admitted.refused


def _media_type(headers: Headers) -> bytes:
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


def _decompress(encoding: bytes, body: bytes) -> bytes:
    if encoding == b"gzip":
        inflate = zlib.decompressobj(wbits=31)
        try:
            body = inflate.decompress(body, MAX_DECOMPRESSED_BYTES + 1)
        except zlib.error:
            raise Refusal(400, "body is not gzip", counts_as=Reason.MALFORMED) from None
        if not inflate.eof and len(body) <= MAX_DECOMPRESSED_BYTES:
            raise Refusal(400, "the gzip stream is truncated", counts_as=Reason.MALFORMED)
    elif encoding != b"identity":
        raise Refusal(415, "send content-encoding: gzip, or none", counts_as=Reason.FORMAT)
    if len(body) > MAX_DECOMPRESSED_BYTES:
        words = f"a body may have {MAX_DECOMPRESSED_BYTES} bytes decompressed"
        raise Refusal(413, words, counts_as=Reason.TOO_LARGE)
    return body


def _response(rejected: Counter[str], is_json: bool) -> bytes:
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(rejected.items()))
    if is_json:
        told: dict[str, Any] = {"rejectedDataPoints": str(rejected.total()), "errorMessage": reasons}
        return orjson.dumps({"partialSuccess": told} if rejected else {})
    response = ExportMetricsServiceResponse()
    if rejected:
        response.partial_success.rejected_data_points = rejected.total()
        response.partial_success.error_message = reasons
    return bytes(response.SerializeToString())


def _status(refusal: Refusal, is_json: bool) -> bytes:
    """google.rpc.Status: code is field 1, message field 2."""
    code, message = _CODES.get(refusal.status, 2), refusal.reason.encode()
    if is_json:
        return orjson.dumps({"code": code, "message": refusal.reason})
    return b"\x08" + spell(code) + b"\x12" + spell(len(message)) + message
