"""OTLP/HTTP metrics: POST /v1/metrics (and where Prometheus has it), protobuf or JSON, for any OpenTelemetry exporter.

The same caller, caps and stream as the remote-write door. Source: OpenTelemetry Protocol specification,
OTLP/HTTP: partial success is 200 with the number of rejected data points; 429, 502, 503 and 504 are retried.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import orjson
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from telemetry.compression import Encoding
from telemetry.decoding import Form
from telemetry.door import Headers, Receive, Refusal, RemoteWriteDoor, Scope, Send, answer
from telemetry.refusals import Reason
from telemetry.remote_write_v2 import spell

PATHS: Final = frozenset({"/v1/metrics", "/api/v1/otlp/v1/metrics"})
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
        body = await self._door.take_in(node_id, headers, receive)
        encoding = _encoding(headers)
        form = Form.OTLP_JSON if _media_type(headers) == JSON else Form.OTLP_PROTOBUF
        with self._door.reading():
            decoded = await self._door.reader.read(node_id, form, encoding, body)
        admitted = self._door.admit(node_id, decoded)
        admitted.not_kept += decoded.rejected.total()
        await self._door.hand_over(admitted, len(body))
        return decoded.rejected + admitted.refused


def _media_type(headers: Headers) -> bytes:
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


def _encoding(headers: Headers) -> Encoding:
    encoding = headers.get(b"content-encoding", b"identity").lower()
    if encoding not in (b"gzip", b"identity"):
        raise Refusal(415, "send content-encoding: gzip, or none", counts_as=Reason.FORMAT)
    return Encoding.GZIP if encoding == b"gzip" else Encoding.IDENTITY


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
