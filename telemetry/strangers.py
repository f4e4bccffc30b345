"""How many unknown tokens came from where: each costs a query, and those with a good one should not wait. Pure."""

from __future__ import annotations

import time
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final

MANY: Final = 50
"""So many unknown tokens may come at once, as when a rack of nodes is set up with old ones."""
A_SECOND: Final = 1.0
"""And so many a second for ever."""
MAX_ADDRESSES: Final = 10_000


class Strangers:
    """Of one process. An address that nothing has been heard of for a minute is as good as new."""

    def __init__(self) -> None:
        self._clear_at: dict[str, float] = {}
        """When each source will have none against it, in monotonic seconds; the one that came last is the last."""

    def are_many(self, address: str) -> bool:
        clear_at = self._clear_at.get(_source(address))
        return clear_at is not None and clear_at - time.monotonic() > (MANY - 1) / A_SECOND

    def count(self, address: str) -> None:
        """One more."""
        source, now = _source(address), time.monotonic()
        clear_at = max(self._clear_at.pop(source, 0.0), now) + 1 / A_SECOND
        if len(self._clear_at) >= MAX_ADDRESSES:
            del self._clear_at[next(iter(self._clear_at))]
        self._clear_at[source] = clear_at


@lru_cache(maxsize=MAX_ADDRESSES)
def _source(address: str) -> str:
    """The address; of IPv6 the /64, since whoever has one of it has them all."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(IPv6Network((found, 64), strict=False)) if isinstance(found, IPv6Address) else address
