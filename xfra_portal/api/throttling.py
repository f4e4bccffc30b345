"""How many requests a person may make: counted in Redis, so that all processes count together."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from rest_framework.request import Request
from rest_framework.throttling import UserRateThrottle

if TYPE_CHECKING:  # the views' module reads the settings, which name this one
    from rest_framework.views import APIView


class PersonThrottle(UserRateThrottle):
    """So many requests in each window (rate "600/min"), per person, or per address where nobody is signed in.

    Counts with one atomic increment. The parent reads a list, appends and writes it back, so that of requests
    that arrive together only one is counted.
    """

    num_requests: int | None
    duration: int | None

    def allow_request(self, request: Request, view: APIView) -> bool:
        limit, seconds = self.num_requests, self.duration
        if limit is None or seconds is None:
            return True
        key = f"{self.get_cache_key(request, view)}:{int(time.time()) // seconds}"
        if self.cache.add(key, 1, seconds):
            return True
        try:
            return bool(self.cache.incr(key) <= limit)
        except ValueError:  # the window ended between the two
            return True

    def get_ident(self, request: Request) -> str:
        """Of an address, a key of one length, whatever a proxy let through as one."""
        return hashlib.sha256(super().get_ident(request).encode()).hexdigest()[:32]

    def wait(self) -> float | None:
        """Seconds until the window ends."""
        return None if self.duration is None else self.duration - time.time() % self.duration
