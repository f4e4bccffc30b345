"""One engine over HTTP: remote-write in, Prometheus' query API out."""

from __future__ import annotations

from typing import Any, Final

import httpx
import orjson
from django.db import DatabaseError, OperationalError

from telemetry.store.addresses import Addresses

REFUSALS: Final = frozenset((400, 409, 413, 422))
"""Answers to a body that the same body would get again: 409 is Thanos' word for samples that contradict known ones."""
_WRITE_HEADERS: Final = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_NOTHING: Final = b"\x00"
"""A request without series, compressed: whoever receives remote-write accepts it."""
_WRITE_PATIENCE: Final = httpx.Timeout(20, connect=2)
_QUERY_PATIENCE: Final = httpx.Timeout(5, connect=1)


class EngineAway(OperationalError):
    """The engine cannot be reached or cannot answer now. A database that is away: batches wait, pages say so."""


class EngineRefused(DatabaseError):
    """The engine will never take these samples, `str()` says why. The valid rest of a request it has kept."""


class Client:
    """Connections to one engine, kept open. Safe to share between threads."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._http = httpx.Client()

    def write(self, body: bytes) -> None:
        """Returns when the engine has said that it has the samples."""
        answer = self._write(body)
        if answer.status_code in REFUSALS and self._write(_NOTHING).is_success:
            raise EngineRefused(f"the engine answered {answer.status_code}: {answer.text.strip()[:300]}")
        if not answer.is_success:  # also 401 and 404, or not even nothing is taken: the address is wrong
            raise self._away(f"answered {answer.status_code} to remote-write: {answer.text.strip()[:300]}")

    def _write(self, body: bytes) -> httpx.Response:
        return self._post(self._addresses.write, _WRITE_PATIENCE, content=body, headers=_WRITE_HEADERS)

    def query(self, selector: str, second: int, seconds: int) -> list[dict[str, Any]]:
        """Raw samples of the `seconds` before an instant: the matrix of a range selector, as the API gives it."""
        form = {"query": f"{selector}[{seconds}s]", "time": str(second), "nocache": "1"}
        # nocache: else VictoriaMetrics leaves out the newest 30 seconds. Others do not know it and do not mind.
        answer = self._post(self._addresses.query, _QUERY_PATIENCE, data=form)
        if not answer.is_success:
            raise self._away(f"answered {answer.status_code} to a query: {answer.text.strip()[:300]}")
        try:
            body = orjson.loads(answer.content)
            result: list[dict[str, Any]] = body["data"]["result"]
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise self._away("answered a query with something else than Prometheus' JSON") from error
        if body.get("isPartial"):  # half of the samples would look like gaps
            raise self._away("has only a part of the samples at hand")
        return result

    def _post(self, url: str, patience: httpx.Timeout, **content: Any) -> httpx.Response:
        try:
            return self._http.post(url, timeout=patience, **content)
        except httpx.HTTPError as error:
            raise self._away(f"cannot be reached: {error or type(error).__name__}") from error

    def _away(self, what: str) -> EngineAway:
        """With the host's name but not the address, which may have a password in it."""
        return EngineAway(f"the samples' engine at {httpx.URL(self._addresses.query).host} {what}")
