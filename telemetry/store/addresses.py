"""The one setting of an engine, SAMPLES_URL, as two addresses. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where remote-write is posted to, and below which the query API is."""

    write: str
    query: str

    @classmethod
    def parse(cls, urls: str) -> Addresses:
        """Of one base, or of the complete remote-write address and the base of the query API, with a space between.

        Prometheus, single-node VictoriaMetrics and vmauth have both below one base. A cluster's parts are apart, and
        each product has a path of its own for writing. Raises ValueError.
        """
        parts = urls.split()
        if len(parts) not in (1, 2):
            raise ValueError("one base, or an address for writing and a base for queries")
        for part in parts:
            split = urlsplit(part)
            if split.scheme not in ("http", "https") or not split.hostname:
                raise ValueError("not an http(s) address")
        base = parts[-1].rstrip("/")
        return cls(parts[0] if len(parts) == 2 else f"{base}/api/v1/write", f"{base}/api/v1/query")
